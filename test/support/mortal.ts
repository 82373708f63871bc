/**
 * A process that may die: every call of its ports goes through a gate that counts them, may wait for whoever orders them, and can end the
 * process at any. What is dead reaches nothing any more; `revive` is the next process, which knows only what the ports keep.
 */
import type { Ports } from "../../functions/registry/ports.ts";
import { FerryError } from "../../shared/errors.ts";

export type DeathHow = "seen" | "applied";

export class Gate {
  calls = 0;
  /** The call, from 0, at which the process dies; null: at none. */
  at: number | null = null;
  how: DeathHow = "seen";
  /** Waits for its turn before each call. */
  turn: (call: string) => Promise<void> = async () => {};
  #isDead = false;

  get isDead(): boolean {
    return this.#isDead;
  }

  revive(): void {
    this.#isDead = false;
    this.at = null;
    this.calls = 0;
  }

  async pass<T>(name: string, call: () => Promise<T>): Promise<T> {
    this.#demandLife();
    await this.turn(name);
    this.#demandLife();
    if (this.calls++ !== this.at) return call();
    this.#isDead = true;
    if (this.how === "applied") await call();
    throw killed();
  }

  #demandLife(): void {
    if (this.#isDead) throw killed();
  }
}

function killed(): FerryError {
  return new FerryError("INDEX_UNAVAILABLE", { problem: "killed" });
}

const INDEXES = ["system", "repositories", "chunks", "uploads", "leases", "notes"] as const;
/** What costs no call, or is answered in parts. */
const PLAIN = new Set(["downloads", "tickets", "read", "write", "content"]);

/** What a process remembers dies with it. */
const FORGETFUL: Ports["cache"] = { get: () => undefined, set: () => {} };

/** The same ports through a gate. */
export function mortal(ports: Ports, gate: Gate): Ports {
  const { home } = ports.stores;
  const store = {
    ...home,
    profile: home.profile,
    objects: home.objects,
    bucket: gated(home.bucket, gate, "bucket"),
    chunks: gated(home.chunks, gate, "store"),
    probed: () => home.probed(),
    probe: () => home.probe(),
    setup: () => home.setup(),
  };
  const indexes = Object.fromEntries(INDEXES.map((name) => [name, gated(ports[name], gate, name)]));
  return { ...ports, ...indexes, cache: FORGETFUL, stores: { home: store, all: () => [store], get: () => store } };
}

function gated<T extends object>(port: T, gate: Gate, of: string): T {
  return new Proxy(port, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function" || PLAIN.has(String(name))) return typeof value === "function" ? value.bind(target) : value;
      // No call, but the same port for some reads.
      if (name === "atLeast") return (seq: number) => gated(value.call(target, seq) as object, gate, of);
      return (...given: unknown[]) => gate.pass(`${of}.${String(name)}`, () => value.apply(target, given) as Promise<unknown>);
    },
  });
}
