/** Cases of a scenario that moves one dataset: ours, with each way of running it, and every peer that is there. */
import { rmSync } from "node:fs";
import { checkFolder, touchMemory, verifyFolder } from "./contents.ts";
import type { Dataset } from "./data.ts";
import type { Lab } from "./lab.ts";
import type { Case, Prepared, Skipped } from "./measure/rounds.ts";
import { type Command, type Measured, runMeasured } from "./measure/run-command.ts";
import { type Ferry, ferryCommand, variantsOf } from "./ours.ts";
import { type Hub, type Job, type Peer, whyNot } from "./peers/peer.ts";
import { downloadBy } from "./peers/references.ts";

export type Ground = {
  lab: Lab;
  ferry: Ferry;
  data: Dataset;
  place: "memory" | "disk";
  connections: number;
};

export type Cases = { cases: Case[]; skipped: Skipped[] };

/** The repository that pulls are from, and a token that may pull it. */
export type Stored = { repository: string; token: string };

/** Key folder of the objects that peers pull. */
const SOURCE_KEYS = "peers/source/";

/** Stores the dataset for everybody, once. */
export async function storeForPulls({ lab, ferry, data }: Ground): Promise<Stored> {
  await ferry.store.put(SOURCE_KEYS, data.files);
  const made = await ferry.registry.makeRepository(`source-${Date.now().toString(36)}`);
  const home = lab.folder("home", "disk");
  await runMeasured(ferryCommand(ferry, ["push", data.folder, made.repository], { token: made.token, home }), []);
  rmSync(home, { recursive: true });
  return made;
}

/** Unmeasured, before and after each run. */
export type Around = {
  before(name: string): Promise<void>;
  after(name: string, measured: Measured): Promise<void>;
};

/** @param stored what storeForPulls answered. */
export function pullCases(
  ground: Ground,
  stored: Stored,
  peers: readonly Peer[],
  { before = async () => {}, after = async () => {} }: Partial<Around> = {},
): Cases {
  const { lab, ferry } = ground;
  const { cases, skipped } = start();
  const around = (name: string): OneAround => ({ before: () => before(name), after: (measured) => after(name, measured) });
  for (const { name, flags, why } of variantsOf(ferry.program, "pull", lab.options.variant)) {
    const command = (job: Job) =>
      ferryCommand(ferry, ["pull", ...flags, stored.repository, job.destination], { token: stored.token, home: job.scratch });
    add({ cases, skipped }, name, why, () => preparePull(ground, stored, command, ferry.registry.pids, around(name)));
  }
  for (const peer of peers) {
    const { name, pull } = peer;
    if (pull !== null) add({ cases, skipped }, name, whyNot(peer), () => preparePull(ground, stored, pull, ferry.store.pids, around(name)));
  }
  return { cases, skipped };
}

/** Before the measured rounds of pushes: what warm-ups stored is forgotten, and large bodies are taken in and thrown away from now on. */
export async function discardPushes({ ferry }: Ground, chunksOfBefore: "forget" | "keep" = "forget"): Promise<void> {
  const { own } = ferry.store.options;
  const chunks = ferry.store.key("ferry/chunks/");
  await own?.discard([chunks, ferry.store.key("peers/push")]);
  if (chunksOfBefore === "forget") await own?.remove(chunks);
}

/** Every push is of bytes that the pusher's repositories do not hold: each run has a repository, or a key folder, of its own. */
export function pushCases(ground: Ground, peers: readonly Peer[]): Cases {
  const { lab, ferry } = ground;
  const { cases, skipped } = start();
  for (const { name, flags, why } of variantsOf(ferry.program, "push", lab.options.variant)) {
    add({ cases, skipped }, name, why, () => prepareOwnPush(ground, flags));
  }
  const theirs = peerPushCases(ground, peers);
  return { cases: [...cases, ...theirs.cases], skipped: [...skipped, ...theirs.skipped] };
}

export function peerPushCases(ground: Ground, peers: readonly Peer[]): Cases {
  const { cases, skipped } = start();
  for (const peer of peers) if (peer.push !== null) add({ cases, skipped }, peer.name, whyNot(peer), () => preparePeerPush(ground, peer));
  return { cases, skipped };
}

function start(): Cases {
  return { cases: [], skipped: [] };
}

function add({ cases, skipped }: Cases, name: string, why: string | null, prepare: () => Promise<Prepared>): void {
  if (why === null) cases.push({ name, prepare });
  else skipped.push({ case: name, reason: why });
}

type OneAround = { before(): Promise<void>; after(measured: Measured): Promise<void> };

async function preparePull(
  ground: Ground,
  stored: Stored,
  commandOf: (job: Job) => Command | Promise<Command>,
  servers: readonly number[],
  around: OneAround,
): Promise<Prepared> {
  const { lab, data, place } = ground;
  const job = jobOf(ground, SOURCE_KEYS, { endpoint: ground.ferry.registry.endpoint, ...stored });
  const command = await commandOf(job);
  touchMemory(lab.folders.memory.path, data.totalBytes);
  await around.before();
  return {
    command,
    servers,
    verify: async (measured) => {
      await around.after(measured);
      verifyFolder(data, job.destination);
    },
    check: async (measured) => {
      await around.after(measured);
      checkFolder(data, job.destination);
    },
    clear: async () => {
      rmSync(job.destination, { recursive: true });
      rmSync(job.scratch, { recursive: true });
      // Else the disk is still writing when the next one begins.
      if (place === "disk") await runMeasured({ program: "sync", args: [], env: { PATH: process.env["PATH"] ?? "" } }, []);
    },
  };
}

let pushCount = 0;

async function prepareOwnPush(ground: Ground, flags: readonly string[]): Promise<Prepared> {
  const { lab, ferry, data } = ground;
  const { repository, token } = await ferry.registry.makeRepository(`push-${++pushCount}`);
  const home = lab.folder("home", "disk");
  return {
    command: ferryCommand(ferry, ["push", ...flags, data.folder, repository], { token, home }),
    servers: ferry.registry.pids,
    verify: async () => {
      const destination = lab.folder("pulled");
      await runMeasured(ferryCommand(ferry, ["pull", repository, destination], { token, home }), []);
      verifyFolder(data, destination);
      rmSync(destination, { recursive: true });
    },
    // A revision that was committed is whole: the registry saw every chunk.
    check: async () => {},
    clear: async () => rmSync(home, { recursive: true }),
  };
}

async function preparePeerPush(ground: Ground, peer: Peer): Promise<Prepared> {
  const { ferry } = ground;
  const keys = `peers/push-${++pushCount}/`;
  const job = jobOf(ground, keys, null);
  const command = await peer.push?.(job);
  if (command === undefined) throw new Error(`${peer.name} does not push`);
  return {
    command,
    servers: ferry.store.pids,
    verify: async () => {
      // It compares digests.
      await runMeasured(downloadBy("fetch", job, await ferry.store.urls(keys, job.data.files)), []);
    },
    check: async () => {},
    clear: async () => {
      rmSync(job.destination, { recursive: true });
      rmSync(job.scratch, { recursive: true });
      await ferry.store.remove(keys);
    },
  };
}

function jobOf({ lab, ferry, data, place, connections }: Ground, keys: string, hub: Hub | null): Job {
  return {
    store: ferry.store,
    data,
    keys,
    connections,
    hub,
    destination: lab.folder("destination", place),
    scratch: lab.folder("scratch", "disk"),
  };
}
