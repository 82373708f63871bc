/**
 * Tries what a store really enforces, by the same code that later relies on it. What a store only claims counts for nothing: some
 * ignore checksums (Ceph 16, local R2) or conditions (GCS) without a word.
 */
import type { ProbeCheck, ProbeResult } from "../../shared/contract/stores.ts";
import { TicketMode } from "../../shared/contract/uploads.ts";
import { toHex } from "../../shared/digest.ts";
import { isoTime } from "../../shared/time.ts";
import type { Bucket } from "../registry/ports.ts";
import { check, type Outcome, ProbeGround, type ProbeTools, sameBytes } from "./probe-ground.ts";
import { probeMode } from "./probe-tickets.ts";
import { md5Of } from "./s3-client.ts";

const RACERS = 8;
const RACES = 3;
/** Signatures are refused from 15 minutes on; less than a minute leaves tickets their time. */
const CLOCK_SKEW_SECONDS_MAX = 60;

/** Throws STORAGE_UNAVAILABLE when the store can't be written at all; whatever else fails is told in the checks. */
export async function probeStore(tools: ProbeTools): Promise<ProbeResult> {
  const ground = new ProbeGround(tools);
  // Not within a check: wrong keys or a wrong bucket name should be told at once.
  await tools.bucket.put(`${ground.folder}first`, ground.body(1));
  try {
    return await probeAll(ground);
  } finally {
    await sweep(tools.bucket, ground.folder);
  }
}

async function probeAll(ground: ProbeGround): Promise<ProbeResult> {
  const createOnly = [await check("create-only", () => createTwice(ground)), await check("create-only among racers", () => races(ground))];
  const list = await check("list after put", () => listAfterPut(ground));
  const range = await check("range read", () => rangeRead(ground));
  const etag = await check("etag", () => etagOfPut(ground));
  const privacy = await check("unsigned read", () => unsignedRead(ground));
  const clock = await clockSkew(ground);
  const checks = [...createOnly, list, range, etag, privacy, clock.check];
  const modes: TicketMode[] = [];
  for (const mode of TicketMode.options) {
    const probed = await probeMode(ground, mode);
    checks.push(...probed.checks);
    if (probed.proven) modes.push(mode);
  }
  return {
    v: 1,
    store: ground.tools.profile.id,
    probedAt: isoTime(ground.tools.wire.clock.now()),
    modes,
    createOnly: createOnly.every(({ ok }) => ok === true),
    listAfterPut: list.ok === true,
    rangeReads: range.ok === true,
    clockSkewSeconds: clock.seconds,
    checks,
  };
}

async function createTwice(ground: ProbeGround): Promise<Outcome> {
  const { bucket } = ground.tools;
  const key = `${ground.folder}create`;
  const body = ground.body(100);
  const first = await bucket.create(key, body);
  const second = await bucket.create(key, ground.body(100));
  const kept = sameBytes(await bucket.get(key), body);
  const ok = first === "created" && second === "exists" && kept;
  return { ok, detail: `first ${first}, then ${second}, content ${kept ? "kept" : "replaced"}` };
}

/** Of several creators of one key, one may win, and what is stored then must be the winner's. */
async function races(ground: ProbeGround): Promise<Outcome> {
  const { bucket } = ground.tools;
  const winners: number[] = [];
  for (let race = 0; race < RACES; race++) {
    const key = `${ground.folder}race-${race}`;
    const bodies = Array.from({ length: RACERS }, () => ground.body(100));
    const results = await Promise.all(bodies.map((body) => bucket.create(key, body)));
    const stored = await bucket.get(key);
    const winner = bodies[results.indexOf("created")];
    if (winner === undefined || !sameBytes(stored, winner)) return { ok: false, detail: "the stored content is not the winner's" };
    winners.push(results.filter((result) => result === "created").length);
  }
  return { ok: winners.every((count) => count === 1), detail: `winners of ${RACES} races of ${RACERS}: ${winners.join(", ")}` };
}

async function listAfterPut(ground: ProbeGround): Promise<Outcome> {
  const { bucket } = ground.tools;
  const folder = `${ground.folder}list/`;
  for (let count = 1; count <= 5; count++) {
    await bucket.put(`${folder}${count}`, ground.body(count));
    const { objects } = await bucket.list(folder);
    const head = await bucket.head(`${folder}${count}`);
    const seen = objects.length === count && objects[count - 1]?.sizeBytes === count;
    if (!seen || head?.sizeBytes !== count) return { ok: false, detail: `write ${count} of 5 was not in the listing after it` };
  }
  return { ok: true, detail: "5 of 5 writes were in the listing after them" };
}

async function rangeRead(ground: ProbeGround): Promise<Outcome> {
  const body = ground.body(5000);
  await ground.tools.bucket.put(`${ground.folder}range`, body);
  const part = await ground.download("range", { range: "bytes=1000-1999" });
  const whole = await ground.download("range");
  const exact = sameBytes(part.bytes, body.subarray(1000, 2000)) && sameBytes(whole.bytes, body);
  return { ok: part.status === 206 && exact, detail: `answered ${part.status}, bytes ${exact ? "exact" : "wrong"}` };
}

/** OSS writes it in capitals. */
async function etagOfPut(ground: ProbeGround): Promise<Outcome> {
  const body = ground.body(100);
  const { url, ...init } = await ground.ticket("payload", "etag", body);
  const { status, headers } = await ground.send(url, { ...init, body });
  const etag = headers.get("etag")?.replaceAll('"', "") ?? "";
  const isMd5 = etag.toLowerCase() === toHex(await md5Of(ground.tools.client, body));
  return { ok: status === 200 ? isMd5 : null, detail: isMd5 ? "the content's MD5" : "not the content's MD5" };
}

async function unsignedRead(ground: ProbeGround): Promise<Outcome> {
  const { status } = await ground.send(`${ground.place.origin}${ground.place.path}first`, { method: "GET" });
  return { ok: status >= 400, detail: status >= 400 ? `refused with ${status}` : "the bucket is public: anybody can read it" };
}

/** How far the store's clock is ahead of ours, by the time that it notes on a fresh object (local R2 sends no Date header). */
async function clockSkew({ folder, tools }: ProbeGround): Promise<{ seconds: number; check: ProbeCheck }> {
  let seconds = 0;
  const outcome = await check("clock", async () => {
    const beginMs = tools.wire.clock.now();
    await tools.bucket.put(`${folder}clock`, new Uint8Array(1));
    const head = await tools.bucket.head(`${folder}clock`);
    if (head === null) return { ok: null, detail: "a fresh object is not found" };
    seconds = secondsOutside(head.modifiedAtMs, beginMs, tools.wire.clock.now());
    return { ok: Math.abs(seconds) < CLOCK_SKEW_SECONDS_MAX, detail: `${seconds} s from ours` };
  });
  return { seconds, check: outcome };
}

/** How many seconds a time of whole seconds is before the begin (then negative) or after the end; 0 between them. */
function secondsOutside(timeMs: number, beginMs: number, endMs: number): number {
  const time = Math.floor(timeMs / 1000);
  return Math.min(time - Math.floor(beginMs / 1000), 0) + Math.max(time - Math.floor(endMs / 1000), 0);
}

/** Removes the scratch objects. A rest that stays is removed by the lifecycle rule of setup.ts. */
async function sweep(bucket: Bucket, folder: string): Promise<void> {
  try {
    for (;;) {
      const { objects, more } = await bucket.list(folder);
      await bucket.delete(objects.map(({ key }) => key));
      if (!more) return;
    }
  } catch {
    // The probe's own result, or its own failure, matters more than scratch that expires.
  }
}
