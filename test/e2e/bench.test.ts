/** The bench itself, with tiny sizes: it runs, compares, tells and keeps. Its figures mean nothing here, and no time decides anything. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { BenchFile, type Cell, type ScenarioReport, type Table } from "../../scripts/bench/report.ts";
import { Faults } from "../../scripts/bench/s3/faults.ts";
import { S3Server } from "../../scripts/bench/s3/server.ts";
import { findProgram } from "../../scripts/stack/child.ts";
import { MiB } from "../../shared/units.ts";
import { bucketSuite } from "../suites/bucket.ts";
import { whyNoRedis } from "../support/stack.ts";
import { storeOf, TurnedClock } from "../support/storage-stands.ts";
import { tempFolder } from "../support/trees.ts";

const BENCH = fileURLToPath(new URL("../../scripts/bench.ts", import.meta.url));
const KEYS = { accessKeyId: "BENCHKEY", secretAccessKey: "secret" };
/** What the bench and its parts need, and of the peers only curl, where it is. */
const PROGRAMS = ["sh", "curl", "cp", "sync", "openssl", "redis-server", "setpriv", "xargs", "git"];

async function startServer(folder: string): Promise<S3Server> {
  return S3Server.start({
    folder: join(folder, "s3"),
    logFile: join(folder, "s3.log"),
    bucket: "bench",
    accessKeyId: KEYS.accessKeyId,
    tls: null,
  });
}

bucketSuite("the bench's S3 server", async () => {
  const folder = tempFolder();
  const server = await startServer(folder.path);
  const place = { id: "home", provider: "s3", region: "x", bucket: "bench", addressing: "path" as const };
  const store = storeOf({ ...place, ...KEYS, endpoint: `http://127.0.0.1:${server.port}` }, { clock: new TurnedClock() });
  return {
    bucket: store.bucket,
    close: async () => {
      await server.stop();
      folder.remove();
    },
  };
});

describe("the bench's S3 server", () => {
  const folder = tempFolder();
  let server: S3Server;
  let client: S3Client;
  before(async () => {
    server = await startServer(folder.path);
    client = new S3Client({
      endpoint: `http://127.0.0.1:${server.port}`,
      region: "x",
      forcePathStyle: true,
      credentials: KEYS,
      maxAttempts: 1,
    });
  });
  after(async () => {
    client?.destroy();
    await server?.stop();
    folder.remove();
  });

  async function read(Key: string, Range?: string): Promise<Buffer> {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: "bench", Key, ...(Range === undefined ? {} : { Range }) }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  }

  test("objects of several MiB are kept in files, whole and in ranges, also when they come in the SDK's own chunks", async () => {
    const bytes = randomBytes(3 * MiB + 7);
    // The SDK's default: aws-chunked with a CRC32 behind it.
    await client.send(new PutObjectCommand({ Bucket: "bench", Key: "kept/large", Body: bytes }));
    assert.ok(bytes.equals(await read("kept/large")));
    assert.ok(bytes.subarray(MiB - 3, MiB + 4).equals(await read("kept/large", `bytes=${MiB - 3}-${MiB + 3}`)));
    assert.ok(bytes.subarray(-5).equals(await read("kept/large", "bytes=-5")));
  });

  test("an upload in parts becomes one object", async () => {
    const parts = [randomBytes(2 * MiB), randomBytes(1000)];
    const at = { Bucket: "bench", Key: "kept/parts" };
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(at));
    for (const [index, Body] of parts.entries()) await client.send(new UploadPartCommand({ ...at, UploadId, PartNumber: index + 1, Body }));
    await client.send(new CompleteMultipartUploadCommand({ ...at, UploadId }));
    assert.ok(Buffer.concat(parts).equals(await read("kept/parts")));
    assert.ok(
      Buffer.concat(parts)
        .subarray(2 * MiB - 2, 2 * MiB + 2)
        .equals(await read("kept/parts", `bytes=${2 * MiB - 2}-${2 * MiB + 1}`)),
    );
  });

  test("files of ours are served as they are, and stay when the object goes", async () => {
    const path = join(folder.path, "adopted");
    const bytes = randomBytes(MiB + 1);
    writeFileSync(path, bytes);
    await server.adopt([{ key: "kept/adopted", path, sizeBytes: bytes.length, md5: createHash("md5").update(bytes).digest("hex") }]);
    assert.ok(bytes.equals(await read("kept/adopted")));
    await server.remove("kept/");
    await assert.rejects(read("kept/adopted"), { name: "NoSuchKey" });
    assert.ok(bytes.equals(readFileSync(path)));
  });

  test("large bodies below a discarded key are taken in, their length is known, and their bytes are gone", async () => {
    await server.discard(["gone/"]);
    await client.send(new PutObjectCommand({ Bucket: "bench", Key: "gone/large", Body: randomBytes(2 * MiB) }));
    await client.send(new PutObjectCommand({ Bucket: "bench", Key: "gone/small", Body: "small" }));
    assert.equal((await read("gone/small")).toString(), "small");
    await assert.rejects(read("gone/large"), { name: "NoSuchKey" });
    assert.deepEqual(readdirSync(join(folder.path, "s3")), []);
  });

  test("requests are counted by kind, and refused when the faults say so", async () => {
    await server.counts();
    await client.send(new PutObjectCommand({ Bucket: "bench", Key: "a/b/c", Body: "x" }));
    await read("a/b/c");
    const counts = (await server.counts()).map(({ operation, count }) => [operation, count]);
    assert.deepEqual(counts, [
      ["PUT a/b", 1],
      ["GET a/b", 1],
    ]);
    await server.faults(Faults.parse({ p503: 1, minBytes: 0 }));
    await assert.rejects(read("a/b/c"), { name: "SlowDown" });
    await server.faults(Faults.parse({}));
    assert.equal((await read("a/b/c")).toString(), "x");
  });
});

describe("npm run bench", { skip: whyNoRedis() }, () => {
  const folder = tempFolder();
  const json = join(folder.path, "results.json");
  const scratch = join(folder.path, "scratch");
  before(() => {
    mkdirSync(join(folder.path, "bin"));
    mkdirSync(scratch);
    for (const name of PROGRAMS) {
      const path = findProgram(name, ["/usr/sbin", "/usr/local/sbin"]);
      if (path !== null) symlinkSync(path, join(folder.path, "bin", name));
    }
  });
  after(() => folder.remove());

  async function bench(...args: string[]): Promise<{ out: string; reports: ScenarioReport[] }> {
    const env = { PATH: join(folder.path, "bin"), HOME: folder.path, TMPDIR: scratch };
    const all = [BENCH, ...args, "--rounds", "1", "--foreign", "100", "--machine-network", "--json", json];
    const { stdout } = await promisify(execFile)(process.execPath, all, { env, timeout: 240_000 });
    return { out: stdout, reports: BenchFile.parse(JSON.parse(readFileSync(json, "utf8"))).scenarios };
  }

  test("compares pulls and pushes with the peers that are there, and says why it skips the others", { timeout: 250_000 }, async () => {
    const { out, reports } = await bench("pull-big", "push-big", "--size", "2MiB");
    assert.deepEqual(
      reports.map(({ name }) => name),
      ["pull-big", "push-big"],
    );
    for (const report of reports) {
      const [table] = report.tables;
      const { columns, rows }: Pick<Table, "columns" | "rows"> = table ?? { columns: [], rows: [] };
      assert.match(rows[0]?.name ?? "", /^ferry p(ull|ush)$/);
      const reference = rows.find(({ name }) => name.startsWith(report.name === "pull-big" ? "node fetch" : "curl"));
      if (report.name === "pull-big" || findProgram("curl") !== null) {
        assert.ok(isRatio(reference?.cells[columns.indexOf("ours ÷ it, speed")]), JSON.stringify(reference));
      }
      assert.ok(report.skipped.some((skipped) => skipped.case === "s5cmd" && skipped.reason === "s5cmd is not installed"));
      assert.equal(report.targets.find(({ target }) => target === "speed against rclone")?.ok, null);
    }
    assert.match(out, /skipped rclone s3: rclone is not installed/);
    assert.match(out, /congestion control/);
    assert.deepEqual(readdirSync(scratch), [], "folders stayed behind");
  });

  test("counts what a push and a pull ask for, and keeps what earlier runs measured", { timeout: 250_000 }, async () => {
    const { reports } = await bench("protocol", "--size", "200KiB");
    const report = reports.find(({ name }) => name === "protocol");
    assert.ok(reports.length > 1);
    const sums = Object.fromEntries((report?.tables[0]?.rows ?? []).map(({ name, cells }) => [name, cells]));
    const [redis, store, calls] = (sums["push"] ?? []).map(Number);
    // 20 chunks are put, looked at, and committed in three more writes at least.
    assert.ok((store ?? 0) >= 43 && (redis ?? 0) > 0 && (calls ?? 0) >= 4, JSON.stringify(sums));
    assert.ok(Number(sums["of it the commit"]?.[0]) < Number(sums["push"]?.[0]));
    assert.ok(report?.targets.every(({ ok }) => ok !== null));
  });

  test("names a scenario that is not there", async () => {
    await assert.rejects(bench("no-such-thing"), /there is no scenario no-such-thing/);
  });
});

function isRatio(cell: Cell | undefined): boolean {
  return typeof cell === "object" && cell !== null && Number.isFinite(cell.median) && cell.median > 0;
}
