/** The stores of a deployment, made from its settings. Making them costs no I/O. */
import type { ProbeResult, SetupResult } from "../../shared/contract/stores.ts";
import { FerryError } from "../../shared/errors.ts";
import type { Clock, Digests, Hasher, Random, Store, StoreProfile, Stores } from "../registry/ports.ts";
import type { Wire } from "./attempt.ts";
import { S3Bucket } from "./bucket.ts";
import { S3ChunkStore } from "./chunks.ts";
import { readFormat, writeProbe } from "./format.ts";
import { S3Objects } from "./objects.ts";
import { probeStore } from "./probe.ts";
import type { ProbeTools } from "./probe-ground.ts";
import { publicPlace, type S3Profile, type StoreCredentials } from "./profile.ts";
import { makeS3Client } from "./s3-client.ts";
import { setUpStore } from "./setup.ts";
import { Signer } from "./signer.ts";

/** Another isolate's probe is seen after so long. */
const PROBED_CACHE_MS = 60_000;
const REQUEST_TIMEOUT_MS = 10_000;

/** `credentials`: by store id. */
export type StoresOptions = {
  profiles: readonly S3Profile[];
  credentials: Readonly<Record<string, StoreCredentials>>;
  homeId: string;
  clock: Clock;
  random: Random;
  hasher: Hasher;
  /** Default: WebCrypto's. */
  digests?: Digests;
  fetch: typeof fetch;
  /** Default: the runtime's timer. */
  wait?: (ms: number) => Promise<void>;
  /** Of one request, its answer's body included; default 10 s. */
  timeoutMs?: number;
};

/** Throws STORE_UNKNOWN when `homeId` is none of the stores, CONFIG_INVALID when one has no credentials. */
export function makeStores(options: StoresOptions): Stores {
  const { clock, random, fetch, wait = sleep, timeoutMs = REQUEST_TIMEOUT_MS } = options;
  const wire: Wire = { clock, random, fetch, wait, timeoutMs };
  const stores = new Map<string, Store>();
  for (const profile of options.profiles) {
    const credentials = options.credentials[profile.id];
    if (credentials === undefined) throw new FerryError("CONFIG_INVALID", { problem: `store ${profile.id} has no credentials` });
    stores.set(profile.id, new S3Store({ profile, credentials, wire, options }));
  }
  const get = (id: string): Store => {
    const store = stores.get(id);
    if (store === undefined) throw new FerryError("STORE_UNKNOWN", { store: id });
    return store;
  };
  return { home: get(options.homeId), all: () => [...stores.values()], get };
}

type S3StoreOptions = { profile: S3Profile; credentials: StoreCredentials; wire: Wire; options: StoresOptions };

class S3Store implements Store {
  readonly profile: StoreProfile;
  readonly bucket: S3Bucket;
  readonly chunks: S3ChunkStore;
  readonly objects: S3Objects;
  readonly #tools: ProbeTools;
  #probed: { result: ProbeResult; untilMs: number } | null = null;

  constructor({ profile, credentials, wire, options: { hasher, digests } }: S3StoreOptions) {
    const client = makeS3Client(profile, credentials, wire);
    const signer = new Signer({ credentials, region: profile.region, clock: wire.clock, ...(digests === undefined ? {} : { digests }) });
    this.profile = { ...profile, origin: publicPlace(profile).origin };
    this.bucket = new S3Bucket(profile, client, wire);
    this.chunks = new S3ChunkStore(profile, signer, wire, hasher);
    this.objects = new S3Objects(profile, signer, wire);
    this.#tools = { profile, signer, bucket: this.bucket, client, wire };
  }

  async probed(): Promise<ProbeResult | null> {
    if (this.#probed !== null && this.#tools.wire.clock.now() < this.#probed.untilMs) return this.#probed.result;
    const format = await readFormat(this.bucket);
    // "Not probed" is not kept: the operator who probes in another isolate should see the effect at once.
    return format?.probe == null ? null : this.#keep(format.probe);
  }

  async probe(): Promise<ProbeResult> {
    const result = await probeStore(this.#tools);
    await writeProbe(this.bucket, result, this.#tools.wire);
    return this.#keep(result);
  }

  setup(): Promise<SetupResult> {
    return setUpStore(this.#tools);
  }

  #keep(result: ProbeResult): ProbeResult {
    this.#probed = { result, untilMs: this.#tools.wire.clock.now() + PROBED_CACHE_MS };
    return result;
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
