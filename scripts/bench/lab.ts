/** What scenarios work with: folders, stores, registries, the built `ferry`. Whatever is started here ends with the lab. */
import { randomBytes } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { buildFerry } from "../build.ts";
import { startLocalS3 } from "../stack/local-s3.ts";
import type { Store as AppStore } from "../stack/stores.ts";
import { type Certificate, makeCertificate } from "./certificate.ts";
import { type Folders, makeFolders } from "./folders.ts";
import type { RoundsOptions } from "./measure/rounds.ts";
import type { Options } from "./options.ts";
import { type Registry, startRegistry } from "./registry.ts";
import { S3Server } from "./s3/server.ts";
import { type Scheme, Store } from "./store.ts";

const BUCKET = "bench";
const REGION = "bench-1";
const ROUNDS = 5;

export class Lab {
  readonly options: Options;
  readonly folders: Folders;
  readonly note: (line: string) => void;
  readonly #stops: (() => Promise<void>)[] = [];
  #ferry: Promise<string> | null = null;
  #certificate: Certificate | null = null;

  constructor(options: Options, note: (line: string) => void) {
    this.options = options;
    this.note = note;
    this.folders = makeFolders(options.disk);
  }

  /** A new folder; in memory unless said otherwise. */
  folder(name: string, place: "memory" | "disk" = "memory"): string {
    return mkdtempSync(join(this.folders[place].path, `${name}-`));
  }

  get rounds(): RoundsOptions {
    const { rounds = ROUNDS, foreign, without } = this.options;
    return { rounds, without, foreignMax: foreign / 100, random: Math.random, note: this.note };
  }

  /** Why no store can be had under this scheme; null when one can. */
  whyNoStore(scheme: Scheme): string | null {
    const { endpoint } = this.options;
    return endpoint === undefined || endpoint.startsWith(`${scheme}:`) ? null : `the endpoint that was given does not speak ${scheme}`;
  }

  /** The bench's own S3 server on a port of its own, or the real one that was asked for. */
  async store(scheme: Scheme): Promise<Store> {
    if (this.options.endpoint !== undefined) return this.#realStore(scheme, this.options.endpoint);
    const accessKeyId = randomBytes(10).toString("hex").toUpperCase();
    const tls = scheme === "https" ? this.#tls() : null;
    const own = await S3Server.start({
      folder: this.folder("s3"),
      logFile: join(this.folder("logs", "disk"), "s3.log"),
      bucket: BUCKET,
      accessKeyId,
      tls: tls === null ? null : { key: tls.key, certificate: tls.certificate },
    });
    this.onClose(() => own.stop());
    return new Store({
      scheme,
      endpoint: `${scheme}://127.0.0.1:${own.port}`,
      region: REGION,
      bucket: BUCKET,
      provider: "s3",
      root: "",
      accessKeyId,
      secretAccessKey: randomBytes(20).toString("hex"),
      caFile: tls?.file ?? null,
      own,
    });
  }

  /** A bucket of miniflare's, which writes slowly and reads as its process can. */
  async localR2(): Promise<Store> {
    const accessKeyId = randomBytes(10).toString("hex");
    const secretAccessKey = randomBytes(20).toString("hex");
    const local = await startLocalS3({ home: this.folder("r2", "disk"), buckets: { [BUCKET]: { accessKeyId, secretAccessKey } } });
    this.onClose(() => local.stop());
    const { endpoint } = local;
    const settings = { scheme: "http" as const, region: "auto", bucket: BUCKET, provider: "miniflare", root: "", caFile: null, own: null };
    return new Store({ ...settings, endpoint, accessKeyId, secretAccessKey, pid: local.child.pid });
  }

  /** The app in front of `store`. */
  async registry(
    store: Store,
    more: {
      runtime?: "node" | "workerd";
      inspect?: boolean;
      others?: readonly AppStore[];
      between?: (redisUrl: string) => Promise<string>;
    } = {},
  ): Promise<Registry> {
    const registry = await startRegistry({ home: this.folder("registry", "disk"), store, runtime: "node", ...more });
    this.onClose(() => registry.stop());
    return registry;
  }

  /** The path of `ferry` as it is shipped, built from this tree. */
  ferry(): Promise<string> {
    this.#ferry ??= this.#build();
    return this.#ferry;
  }

  onClose(stop: () => Promise<void>): void {
    this.#stops.push(stop);
  }

  async close(): Promise<void> {
    for (const stop of this.#stops.splice(0).reverse()) await stop();
  }

  /** Folders last: they hold the logs of what was stopped. */
  async end(): Promise<void> {
    await this.close();
    this.folders.remove();
  }

  async #build(): Promise<string> {
    const file = join(this.folder("ferry", "disk"), "ferry.mjs");
    await buildFerry(file);
    return file;
  }

  #tls(): Certificate {
    this.#certificate ??= makeCertificate(this.folder("tls", "disk"));
    return this.#certificate;
  }

  #realStore(scheme: Scheme, endpoint: string): Store {
    const { env } = process;
    const store = new Store({
      scheme,
      endpoint: endpoint.replace(/\/+$/, ""),
      region: env["AWS_REGION"] ?? "us-east-1",
      bucket: this.options.bucket,
      provider: this.options.provider,
      root: `bench-${randomBytes(6).toString("hex")}/`,
      accessKeyId: env["AWS_ACCESS_KEY_ID"] ?? "",
      secretAccessKey: env["AWS_SECRET_ACCESS_KEY"] ?? "",
      caFile: env["AWS_CA_BUNDLE"] || env["NODE_EXTRA_CA_CERTS"] || null,
      own: null,
    });
    this.onClose(() => store.remove(""));
    return store;
  }
}
