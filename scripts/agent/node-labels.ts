/**
 * Tells a cluster which models this node has ready, so that pods can be scheduled onto it: one label for each repository of which a whole
 * revision was warmed here and every chunk was hashed.
 *
 *   warm.modelferry.io/<namespace>--<name>: <revision>
 *
 * Labels of this prefix are the agent's: those of an agent before it, and of what is not ready any more, go. Nothing else of the Node is
 * touched. Without an answer from the cluster's API the agent goes on, and tries again.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import { join } from "node:path";
import * as z from "zod";
import { FerryError, problemOf } from "../../shared/errors.ts";
import type { RepositoryName, RevisionId } from "../../shared/names.ts";
import type { Log } from "./log.ts";

export const LABEL_PREFIX = "warm.modelferry.io/";
/** Of the part behind the prefix. */
const NAME_MAX = 63;
const DIGEST_CHARACTERS = 10;
const TICK_MS = 5_000;
const RETRY_MS = 60_000;
const ANSWER_MS = 10_000;
const ANSWER_BYTES_MAX = 1 << 20;

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** `accountFolder`: with `token`, which is read anew each time since it is changed, and `ca.crt`. */
export type Cluster = { url: string; node: string; accountFolder: string };
export type Ready = { repository: RepositoryName; revision: RevisionId };

const Node = z.object({ metadata: z.object({ labels: z.record(z.string(), z.string()).default({}) }) });

/** The cluster whose pod this process is. Throws USAGE_INVALID. */
export function clusterOf(env: Readonly<Record<string, string | undefined>>): Cluster {
  const [host, port, node] = [env["KUBERNETES_SERVICE_HOST"], env["KUBERNETES_SERVICE_PORT"], env["NODE_NAME"]];
  if (host === undefined || port === undefined) {
    throw new FerryError("USAGE_INVALID", { problem: "--node-labels needs a pod of Kubernetes: there is no KUBERNETES_SERVICE_HOST" });
  }
  if (node === undefined || node === "") {
    throw new FerryError("USAGE_INVALID", { problem: "--node-labels needs NODE_NAME: give the pod's spec.nodeName by that name" });
  }
  return { url: `https://${host.includes(":") ? `[${host}]` : host}:${port}`, node, accountFolder: SERVICE_ACCOUNT };
}

/** No name has two hyphens of its own. One that is too long, or that begins or ends as no label may, is cut, and told from others by a part of its digest. */
export function labelOf(repository: RepositoryName): string {
  const name = repository.replace("/", "--");
  if (name.length <= NAME_MAX && /^[A-Za-z0-9].*[A-Za-z0-9]$/.test(name)) return `${LABEL_PREFIX}${name}`;
  const digest = createHash("sha256").update(repository).digest("hex").slice(0, DIGEST_CHARACTERS);
  return `${LABEL_PREFIX}${name.slice(0, NAME_MAX - DIGEST_CHARACTERS - 1).replace(/^[^A-Za-z0-9]+/, "")}-${digest}`;
}

export class NodeLabels {
  readonly #cluster: Cluster;
  readonly #ready: () => Ready[];
  readonly #log: Log;
  /** As the Node has them; null: not known. */
  #labels: Record<string, string> | null = null;

  constructor(cluster: Cluster, ready: () => Ready[], log: Log) {
    this.#cluster = cluster;
    this.#ready = ready;
    this.#log = log;
  }

  /** Until the signal fires; then no label stays, for nobody keeps it right any more. */
  async run(sleep: (ms: number, signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const isTold = await this.#tell(this.#ready());
      await sleep(isTold ? TICK_MS : RETRY_MS, signal).catch(() => {});
    }
    await this.#tell([]);
  }

  async #tell(ready: readonly Ready[]): Promise<boolean> {
    try {
      await this.update(ready);
      return true;
    } catch (error) {
      this.#log({ event: "labels.failed", node: this.#cluster.node, problem: problemOf(error).slice(0, 300) });
      this.#labels = null;
      return false;
    }
  }

  /** Asks the cluster only when something changed. Throws what went wrong. */
  async update(ready: readonly Ready[]): Promise<void> {
    this.#labels ??= ours(await this.#ask("GET"));
    const wanted: Record<string, string> = Object.fromEntries(ready.map(({ repository, revision }) => [labelOf(repository), revision]));
    const has = this.#labels;
    const changes: Record<string, string | null> = {};
    for (const [key, value] of Object.entries(wanted)) if (has[key] !== value) changes[key] = value;
    for (const key of Object.keys(has)) if (wanted[key] === undefined) changes[key] = null;
    if (Object.keys(changes).length === 0) return;
    await this.#ask("PATCH", { metadata: { labels: changes } });
    this.#labels = wanted;
    this.#log({ event: "labels.changed", node: this.#cluster.node, labels: Object.keys(wanted).length });
  }

  #ask(method: "GET" | "PATCH", body?: object): Promise<unknown> {
    const { url, node, accountFolder } = this.#cluster;
    const to = new URL(`/api/v1/nodes/${encodeURIComponent(node)}`, url);
    const text = body === undefined ? "" : JSON.stringify(body);
    const headers = {
      authorization: `Bearer ${readFileSync(join(accountFolder, "token"), "utf8").trim()}`,
      accept: "application/json",
      ...(body === undefined ? {} : { "content-type": "application/merge-patch+json", "content-length": String(Buffer.byteLength(text)) }),
    };
    const options = { method, headers, signal: AbortSignal.timeout(ANSWER_MS) };
    return new Promise((resolve, reject) => {
      const asked =
        to.protocol === "http:"
          ? plainRequest(to, options)
          : tlsRequest(to, { ...options, ca: readFileSync(join(accountFolder, "ca.crt"), "utf8") });
      asked.once("error", reject);
      asked.once("response", (response) => {
        let answer = "";
        response.setEncoding("utf8");
        response.on("data", (piece: string) => {
          answer += piece;
          if (answer.length > ANSWER_BYTES_MAX) asked.destroy(new Error("the cluster's answer is too long"));
        });
        response.once("error", reject);
        response.once("end", () => {
          if (response.statusCode === 200) resolve(JSON.parse(answer));
          else reject(new Error(`the cluster answered ${response.statusCode} to ${method} of node ${node}`));
        });
      });
      asked.end(text);
    });
  }
}

/** Those of its labels that agents set. */
function ours(node: unknown): Record<string, string> {
  const { labels } = Node.parse(node).metadata;
  return Object.fromEntries(Object.entries(labels).filter(([key]) => key.startsWith(LABEL_PREFIX)));
}
