/** What a test of transfers needs: a registry, a source folder, a destination and a cache folder, gone when the test ends. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type EngineOptions, pullFiles, pushFiles, verifyFiles } from "../../scripts/node/transfer.ts";
import { RefName } from "../../shared/names.ts";
import type {
  PullRequest,
  PullResult,
  PushRequest,
  PushResult,
  TransferControl,
  VerifyRequest,
  VerifyResult,
} from "../../shared/transfer/contract.ts";
import { FakeRegistry, type FakeRegistryOptions, REPOSITORY } from "./fake-registry.ts";
import { tempFolder } from "./trees.ts";

const MAIN = RefName.parse("main");

export type Bench = {
  registry: FakeRegistry;
  source: string;
  destination: string;
  push: (request?: Partial<PushRequest>, options?: Partial<EngineOptions>, control?: Partial<TransferControl>) => Promise<PushResult>;
  pull: (request?: Partial<PullRequest>, options?: Partial<EngineOptions>, control?: Partial<TransferControl>) => Promise<PullResult>;
  verify: (request?: Partial<VerifyRequest>) => Promise<VerifyResult>;
};

export async function withBench(
  options: FakeRegistryOptions,
  engine: Partial<EngineOptions>,
  work: (bench: Bench) => Promise<void>,
): Promise<void> {
  const registry = await FakeRegistry.start(options);
  const folder = tempFolder();
  const [source, destination] = [join(folder.path, "source"), join(folder.path, "destination")];
  mkdirSync(source);
  const engineOptions = { cacheDir: join(folder.path, "cache"), useStatCache: false, stallSeconds: 5, patienceSeconds: 0, ...engine };
  const controlOf = (control: Partial<TransferControl> = {}) => ({
    client: registry.client(),
    onProgress: () => {},
    signal: AbortSignal.timeout(60_000),
    ...control,
  });
  const push: Bench["push"] = (request, more, control) =>
    pushFiles({ repository: REPOSITORY, branch: MAIN, message: "", sources: [source], create: true, ...request }, controlOf(control), {
      ...engineOptions,
      ...more,
    });
  const pull: Bench["pull"] = (request, more, control) =>
    pullFiles({ repository: REPOSITORY, ref: "main", destination, ...request }, controlOf(control), { ...engineOptions, ...more });
  const verify: Bench["verify"] = (request) =>
    verifyFiles({ repository: REPOSITORY, ref: "main", destination, full: false, ...request }, controlOf(), engineOptions);
  try {
    await work({ registry, source, destination, push, pull, verify });
  } finally {
    await registry.close();
    folder.remove();
  }
}

/** Declares one test of a guarantee. */
export type Check = (guarantee: string, work: (bench: Bench) => Promise<void>, options?: FakeRegistryOptions) => void;
