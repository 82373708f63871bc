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

/** Bodies that a ticket for another body must not let in. */
const WRONG_BODIES: readonly { name: string; sizeBytes: number; change: (right: Bytes) => Bytes }[] = [
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

/** `proven`: the right body was accepted and every wrong one refused. The misuses are told, and decide nothing about the content. */
export async function probeMode(ground: ProbeGround, mode: TicketMode): Promise<{ proven: boolean; checks: ProbeCheck[] }> {
  const right = await check(`${mode}: right body`, () => rightBody(ground, mode));
  if (right.ok !== true) return { proven: false, checks: [right] };
  const wrong = await pooled(WRONG_BODIES, STORE_WIDTH, ({ name, sizeBytes, change }) =>
    check(`${mode}: ${name}`, async () => {
      const body = ground.body(sizeBytes);
      const path = pathOf(mode, name, "given");
      const request = await ground.ticket(mode, path, body);
      return refusal(ground, request, change(body), [path]);
    }),
  );
  const misused = await pooled(MISUSES, STORE_WIDTH, (misuse) => check(`${mode}: ${misuse.name}`, () => use(ground, mode, misuse)));
  const verb = await check(`${mode}: other verb`, () => otherVerb(ground, mode));
  const again = await check(`${mode}: replay`, () => replay(ground, mode));
  return { proven: wrong.every(({ ok }) => ok === true), checks: [right, ...wrong, ...misused, verb, again] };
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
