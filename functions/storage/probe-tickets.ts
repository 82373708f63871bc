/** Which ticket modes a store enforces: in each, the right body must get in, and every hostile upload must be refused and leave nothing. */
import type { ProbeCheck } from "../../shared/contract/stores.ts";
import { TICKET_SECONDS, type TicketMode } from "../../shared/contract/uploads.ts";
import type { SignedRequest } from "../../shared/tickets.ts";
import { pooled, STORE_WIDTH } from "../registry/pool.ts";
import { check, type Outcome, type ProbeGround, sameBytes } from "./probe-ground.ts";
import { dialectOf } from "./profile.ts";

const SMALL_BYTES = 1000;
/** More than one packet and one buffer, less than a second at any bandwidth. */
const LARGE_BYTES = 200_000;

type Bytes = Uint8Array<ArrayBuffer>;

type WrongBody = { name: string; sizeBytes: number; change: (right: Bytes) => Bytes };

/** Bodies that a ticket for another body must not let in. */
const WRONG_BODIES: readonly WrongBody[] = [
  { name: "other first byte", sizeBytes: SMALL_BYTES, change: (right) => flipped(right, 0) },
  { name: "other last byte", sizeBytes: LARGE_BYTES, change: (right) => flipped(right, right.length - 1) },
  { name: "other bytes throughout", sizeBytes: LARGE_BYTES, change: (right) => right.map((byte) => byte ^ 0xff) },
  { name: "longer body", sizeBytes: SMALL_BYTES, change: (right) => Uint8Array.from([...right, 0]) },
  { name: "shorter body", sizeBytes: SMALL_BYTES, change: (right) => right.slice(0, -1) },
  { name: "empty body", sizeBytes: SMALL_BYTES, change: () => new Uint8Array() },
];

type Misuse = {
  name: string;
  change: (request: SignedRequest, ground: ProbeGround) => SignedRequest;
  /** How long ago the ticket was given. */
  ageMs?: number;
};

/** Other ways of using a ticket for what it was not given for. The body is right in all of them. */
const MISUSES: readonly Misuse[] = [
  { name: "other key", change: ({ url, ...rest }) => ({ ...rest, url: url.replace("/given", "/other") }) },
  { name: "query added", change: ({ url, ...rest }) => ({ ...rest, url: `${url}${url.includes("?") ? "&" : "?"}x-probe=1` }) },
  { name: "create-only header left out", change: withoutCreateOnly },
  { name: "expired", change: (request) => request, ageMs: 2 * TICKET_SECONDS * 1000 },
];

/** `proven`: the right body was accepted, and no other content got in. The rest is told, and decides nothing about the content. */
export async function probeMode(ground: ProbeGround, mode: TicketMode): Promise<{ proven: boolean; checks: ProbeCheck[] }> {
  const one = (name: string, run: (ground: ProbeGround, mode: TicketMode) => Promise<Outcome>) =>
    check(`${mode}: ${name}`, () => run(ground, mode));
  const right = await one("right body", rightBody);
  if (right.ok !== true) return { proven: false, checks: [right] };
  const wrong = await pooled(WRONG_BODIES, STORE_WIDTH, (body) => one(body.name, () => sendWrong(ground, mode, body)));
  wrong.push(await one("copy of another object", copyInstead));
  const misused = await pooled(MISUSES, STORE_WIDTH, (misuse) => one(misuse.name, () => use(ground, mode, misuse)));
  misused.push(
    await one("other verb", otherVerb),
    await one("replay", replay),
    await one("encoding added", encodingAdded),
    await one("public access added", publicAccessAdded),
  );
  return { proven: wrong.every(({ ok }) => ok === true), checks: [right, ...wrong, ...misused] };
}

async function rightBody(ground: ProbeGround, mode: TicketMode): Promise<Outcome> {
  const body = ground.body(LARGE_BYTES);
  const path = pathOf(mode, "right", "given");
  const { url, ...init } = await ground.ticket(mode, path, body);
  const { status } = await ground.send(url, { ...init, body });
  if (status !== 200) return { ok: status < 500 ? false : null, detail: `answered ${status}` };
  const stored = sameBytes(await ground.tools.bucket.get(ground.folder + path), body);
  return { ok: stored, detail: stored ? "accepted and stored" : "accepted, but it can't be read back" };
}

async function sendWrong(ground: ProbeGround, mode: TicketMode, { name, sizeBytes, change }: WrongBody): Promise<Outcome> {
  const body = ground.body(sizeBytes);
  const path = pathOf(mode, name, "given");
  return refusal(ground, await ground.ticket(mode, path, body), change(body), [path]);
}

/**
 * A header that no signature covers can make a PUT a copy, which no check of the body touches: with a ticket for their own chunk
 * somebody could read every object whose key they can guess.
 */
async function copyInstead(ground: ProbeGround, mode: TicketMode): Promise<Outcome> {
  const { bucket, profile } = ground.tools;
  const secret = ground.body(SMALL_BYTES);
  const secretKey = `${ground.folder}${pathOf(mode, "copy", "secret")}`;
  await bucket.put(secretKey, secret);
  const statuses: number[] = [];
  for (const name of dialectOf(profile).copySources) {
    const copy = { [name]: `/${profile.bucket}/${profile.prefix}${secretKey}` };
    for (const headers of [copy, { ...copy, [`${name}-range`]: `bytes=0-${SMALL_BYTES - 1}` }]) {
      const path = pathOf(mode, "copy", `${name}-${statuses.length}`);
      const { status, body } = await sendWith(ground, mode, path, headers);
      const stored = await bucket.get(ground.folder + path);
      if (stored !== null && !sameBytes(stored, body))
        return { ok: false, detail: `answered ${status}, and copied by an unsigned ${name}` };
      statuses.push(status);
    }
  }
  return { ok: true, detail: `not copied: answered ${statuses.join(", ")}` };
}

/** Uses a ticket wrongly: neither the key it was given for nor another must hold anything then. */
async function use(ground: ProbeGround, mode: TicketMode, { name, change, ageMs = 0 }: Misuse): Promise<Outcome> {
  const body = ground.body(SMALL_BYTES);
  const [given, other] = [pathOf(mode, name, "given"), pathOf(mode, name, "other")];
  const request = await ground.ticket(mode, given, body, ground.tools.wire.clock.now() - ageMs);
  return refusal(ground, change(request, ground), body, [given, other]);
}

async function refusal(ground: ProbeGround, { url, ...init }: SignedRequest, body: Bytes, paths: readonly string[]): Promise<Outcome> {
  const { status } = await ground.send(url, { ...init, body });
  const heads = await Promise.all(paths.map((path) => ground.tools.bucket.head(ground.folder + path)));
  if (heads.some((head) => head !== null)) return { ok: false, detail: `answered ${status}, and stored it` };
  if (status >= 400 && status < 500) return { ok: true, detail: `refused with ${status}` };
  return { ok: status < 400 ? false : null, detail: `answered ${status}, nothing stored` };
}

/** A PUT's signature must not delete what the PUT stored. */
async function otherVerb(ground: ProbeGround, mode: TicketMode): Promise<Outcome> {
  const body = ground.body(SMALL_BYTES);
  const path = pathOf(mode, "verb", "given");
  const { url, headers } = await ground.ticket(mode, path, body);
  await ground.send(url, { method: "PUT", headers, body });
  const { status } = await ground.send(url, { method: "DELETE", headers });
  const kept = sameBytes(await ground.tools.bucket.get(ground.folder + path), body);
  return { ok: kept && status >= 400, detail: kept ? `refused with ${status}` : `answered ${status}, and the object is gone` };
}

async function replay(ground: ProbeGround, mode: TicketMode): Promise<Outcome> {
  const body = ground.body(SMALL_BYTES);
  const { url, ...init } = await ground.ticket(mode, pathOf(mode, "replay", "given"), body);
  const first = await ground.send(url, { ...init, body });
  const second = await ground.send(url, { ...init, body });
  return { ok: first.status === 200 && second.status >= 400, detail: `first ${first.status}, then ${second.status}` };
}

/** Either the store refuses the header, or readers must get the bytes as they are all the same. */
async function encodingAdded(ground: ProbeGround, mode: TicketMode): Promise<Outcome> {
  const path = pathOf(mode, "encoding", "given");
  const sent = await sendWith(ground, mode, path, { "content-encoding": "gzip" });
  if (sent.status >= 400) return { ok: true, detail: `refused with ${sent.status}` };
  try {
    const exact = sameBytes((await ground.download(path)).bytes, sent.body);
    return { ok: exact, detail: exact ? "kept, but readers get the bytes as they are" : "readers get other bytes" };
  } catch {
    return { ok: false, detail: "kept, and readers who trust it can't read the object" };
  }
}

async function publicAccessAdded(ground: ProbeGround, mode: TicketMode): Promise<Outcome> {
  const path = pathOf(mode, "access", "given");
  const sent = await sendWith(ground, mode, path, { "x-amz-acl": "public-read" });
  const read = await ground.send(ground.place.origin + ground.place.path + path, { method: "GET" });
  return { ok: read.status >= 400, detail: `answered ${sent.status}, then an unsigned read ${read.status}` };
}

async function sendWith(ground: ProbeGround, mode: TicketMode, path: string, more: Record<string, string>) {
  const body = ground.body(SMALL_BYTES);
  const { url, method, headers } = await ground.ticket(mode, path, body);
  const { status } = await ground.send(url, { method, headers: { ...headers, ...more }, body });
  return { status, body };
}

function withoutCreateOnly({ headers, ...rest }: SignedRequest, ground: ProbeGround): SignedRequest {
  const { [dialectOf(ground.tools.profile).createOnly.name]: _, ...others } = headers;
  return { ...rest, headers: others };
}

function pathOf(mode: TicketMode, name: string, end: string): string {
  return `${mode}/${name.replaceAll(" ", "-")}/${end}`;
}

function flipped(bytes: Bytes, at: number): Bytes {
  return bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));
}
