/**
 * Which node is asked for a chunk: weighted rendezvous hashing, by chunk. A member's score for a chunk depends on that member and that
 * chunk alone, so members who know different lists still agree on who is better than whom. An agent asks only members that are better
 * than itself: whatever each knows, nobody ever waits for somebody who waits for it. When a member comes or goes, only chunks move that
 * are its own. `w / -ln(u)` is the score that gives each member a share in proportion to its weight (Schindelhauer and Schomaker, 2005).
 */

/** `weight`: its share in proportion to the others', above 0. `zone`: what lies within is near; empty: not known. */
export type RingMember = { id: string; weight: number; zone: string };

export type OwnerQuery<M> = {
  replicas: number;
  /** Members that should get nothing more now; they are passed over while there are others. */
  isFull?: (member: M) => boolean;
};

type Seed = { high: number; low: number };

export class Ring<M extends RingMember> {
  /** In order of id. */
  readonly members: readonly M[];
  readonly #seeds: readonly Seed[];
  readonly #zones: number;

  /** @param members each id once; one that comes again is left out. */
  constructor(members: readonly M[]) {
    const byId = new Map(members.map((member) => [member.id, member]));
    this.members = [...byId.values()].filter(({ weight }) => weight > 0).sort((a, b) => (a.id < b.id ? -1 : 1));
    this.#seeds = this.members.map(({ id }) => seedOf(id));
    this.#zones = new Set(this.members.map(({ zone }) => zone)).size;
  }

  /** The best so many for a chunk, best first. @param sha256 64 hex characters. */
  ranked(sha256: string, count: number): M[] {
    const scores = this.#scores(sha256);
    const best: number[] = [];
    for (let at = 0; at < scores.length; at++) insert(best, at, scores, count);
    return best.flatMap((at) => this.members[at] ?? []);
  }

  /** Who has to have a chunk: the best, of different zones as long as there are zones without one. */
  owners(sha256: string, { replicas, isFull = () => false }: OwnerQuery<M>): M[] {
    const all = this.#all(sha256);
    const free = all.filter((member) => !isFull(member));
    const order = [...(free.length === 0 ? all : free)];
    const owners: M[] = [];
    const zones = new Set<string>();
    for (let pass = 0; owners.length < replicas && order.length > 0; pass++) {
      const at = pass === 0 ? 0 : order.findIndex(({ zone }) => !zones.has(zone));
      const [taken] = order.splice(Math.max(0, at), 1);
      if (taken === undefined) break;
      owners.push(taken);
      zones.add(taken.zone);
    }
    return owners;
  }

  /**
   * Whom a member asks for a chunk, in this order, before it turns to the origin: the best of its own zone, so that a chunk crosses into
   * a zone once, then the best of all. Only members that are better than itself; none when it is the best. Who is no member asks anyone.
   */
  sources(sha256: string, self: { id: string; zone: string }, count: number): M[] {
    const scores = this.#scores(sha256);
    const own = this.members.findIndex(({ id }) => id === self.id);
    const bar = own < 0 ? Number.NEGATIVE_INFINITY : (scores[own] ?? 0);
    const near: number[] = [];
    const all: number[] = [];
    for (let at = 0; at < scores.length; at++) {
      if (at === own || (scores[at] ?? 0) <= bar) continue;
      insert(all, at, scores, count);
      if (this.#zones > 1 && this.members[at]?.zone === self.zone) insert(near, at, scores, Math.ceil(count / 2));
    }
    return [...new Set([...near, ...all])].slice(0, count).flatMap((at) => this.members[at] ?? []);
  }

  #all(sha256: string): M[] {
    const scores = this.#scores(sha256);
    const order = [...scores.keys()].sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0));
    return order.flatMap((at) => this.members[at] ?? []);
  }

  #scores(sha256: string): Float64Array {
    const high = Number.parseInt(sha256.slice(0, 8), 16);
    const low = Number.parseInt(sha256.slice(8, 16), 16);
    const scores = new Float64Array(this.members.length);
    for (let at = 0; at < scores.length; at++) {
      const seed = this.#seeds[at] ?? { high: 0, low: 0 };
      const hash = mixed(mixed(high ^ seed.high) + (low ^ seed.low));
      scores[at] = (this.members[at]?.weight ?? 0) / -Math.log((hash + 0.5) / 2 ** 32);
    }
    return scores;
  }
}

/** Keeps `best` the first `count` in order of score; equal scores stay in order of id. */
function insert(best: number[], at: number, scores: Float64Array, count: number): void {
  const score = scores[at] ?? 0;
  const last = best[best.length - 1];
  if (best.length >= count && (last === undefined || score <= (scores[last] ?? 0))) return;
  let place = best.length;
  while (place > 0 && score > (scores[best[place - 1] ?? 0] ?? 0)) place--;
  best.splice(place, 0, at);
  if (best.length > count) best.pop();
}

/** FNV-1a over the id, twice, and mixed: ids that differ in one character share nothing. */
function seedOf(id: string): Seed {
  let [high, low] = [0x811c9dc5, 0x01000193];
  for (const character of id) {
    const code = character.codePointAt(0) ?? 0;
    high = Math.imul(high ^ code, 0x01000193);
    low = mixed(low ^ code) + 0x9e3779b9;
  }
  return { high: mixed(high), low: mixed(low) };
}

/** The finalizer of MurmurHash3: every bit of the number decides about every bit of the answer. */
function mixed(number: number): number {
  let hash = number ^ (number >>> 16);
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
