/** The bench's own S3 server as a process of its own: does what its parent orders, and ends with it. */
import { createHash } from "node:crypto";
import { createServer, type Server } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { type Site, serve, serveTls } from "./connection.ts";
import { Counts } from "./counts.ts";
import { Fates, NO_FAULTS, Pace } from "./faults.ts";
import { Objects, PartUploads } from "./objects.ts";
import { type Bucket, begin } from "./operations.ts";
import { Numbered, type Order, type ServerSettings } from "./orders.ts";

const bucket: Bucket = {
  name: "",
  accessKeyId: "",
  folder: "",
  objects: new Objects(),
  parts: new PartUploads(),
  fates: new Fates(NO_FAULTS),
  counts: new Counts(),
  discard: [],
};
/** Of all connections together, when there is such a limit. */
let common: Pace | null = null;

const site: Site = {
  begin: (head) => begin(bucket, head),
  paces: () => {
    const { rate } = bucket.fates.faults;
    return [...(rate > 0 ? [new Pace(rate)] : []), ...(common === null ? [] : [common])];
  },
};

async function obey(order: Order): Promise<unknown> {
  switch (order.order) {
    case "start":
      return start(order.settings);
    case "adopt":
      for (const { key, path, sizeBytes, md5 } of order.objects) {
        const content = [{ kind: "file" as const, path, sizeBytes, owned: false }];
        bucket.objects.set(key, { content, etag: md5, modifiedAtMs: Date.now(), headers: {} });
      }
      return null;
    case "store":
      for (const { key, text } of order.objects) {
        const bytes = Buffer.from(text);
        const content = [{ kind: "memory" as const, bytes, sizeBytes: bytes.length }];
        bucket.objects.set(key, { content, etag: createHash("md5").update(bytes).digest("hex"), modifiedAtMs: Date.now(), headers: {} });
      }
      return null;
    case "discard":
      bucket.discard = order.prefixes;
      return null;
    case "remove":
      bucket.objects.deleteBelow(order.prefix);
      return null;
    case "faults":
      bucket.fates = new Fates(order.faults);
      common = order.faults.global > 0 ? new Pace(order.faults.global) : null;
      return null;
    case "counts":
      return bucket.counts.take();
    default:
      return order satisfies never;
  }
}

async function start({ tls, ...settings }: ServerSettings): Promise<{ port: number }> {
  Object.assign(bucket, { name: settings.bucket, accessKeyId: settings.accessKeyId, folder: settings.folder });
  const server: Server =
    tls === null
      ? createServer({ pauseOnConnect: true }, (socket) => serve(socket, site))
      : createTlsServer({ key: tls.key, cert: tls.certificate, ALPNProtocols: ["http/1.1"] }, (socket) => serveTls(socket, site));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port: 0, host: "127.0.0.1", backlog: 1024 }, resolve);
  });
  const address = server.address();
  return { port: typeof address === "object" && address !== null ? address.port : 0 };
}

process.on("message", async (message) => {
  const { id, order } = Numbered.parse(message);
  try {
    process.send?.({ id, answer: await obey(order) });
  } catch (error) {
    process.send?.({ id, problem: error instanceof Error ? error.message : String(error) });
  }
});
process.once("disconnect", () => process.exit(0));
