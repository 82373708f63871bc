/** What the S3 door refuses, in the words that its clients know, with nothing stored; and what it keeps when it is killed. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import type { Scope } from "../../shared/contract/access.ts";
import { RepositoryName } from "../../shared/names.ts";
import { MiB } from "../../shared/units.ts";
import { type AgentProcess, type AgentWorld, startAgentWorld } from "../support/agents.ts";
import { ferryProcess } from "../support/ferry-process.ts";
import { seededBytes } from "../support/live.ts";
import { operationId } from "../support/memory-app.ts";
import { type DoorAccess, presigned, sdkClient } from "../support/s3-door-clients.ts";

const Bucket = "team";

describe("the S3 door", { timeout: 300_000 }, () => {
  let world: AgentWorld;
  let agent: AgentProcess;
  let cache: string;
  let door: string;
  let access: DoorAccess;
  let s3: S3Client;
  before(async () => {
    world = await startAgentWorld();
    cache = join(world.folder, "cache");
    await start();
    access = await credentials(world.token);
    s3 = sdkClient(access);
  });
  after(() => world?.stop());

  /** Again on the same folder, after a kill. */
  async function start(...flags: string[]): Promise<void> {
    const anonymous = join(world.folder, "anonymous");
    writeFileSync(anonymous, await tokenFor({ repositories: "open/*", actions: ["pull"] }));
    agent = await world.start({ id: "s3", cache, flags: ["--s3", "0", "--s3-spool", "64MiB", "--s3-anonymous", anonymous, ...flags] });
    await world.joined([agent], 1);
    const told = agent.log.find(({ event, door }) => event === "door.listening" && door === "s3");
    door = `http://${told?.["address"]}`;
  }

  async function tokenFor(...scopes: Scope[]): Promise<string> {
    return (await world.app.admin.call("createToken", { body: { name: "test", scopes } })).token;
  }

  async function ferry(token: string, ...argv: string[]): Promise<Record<string, unknown>> {
    const env = { FERRY_ENDPOINT: world.served.endpoint, FERRY_TOKEN: token, FERRY_S3: door };
    const { stdout, stderr, exit } = await ferryProcess([...argv, "--json"], { env });
    if (exit !== 0) throw new Error(stderr);
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  async function credentials(token: string): Promise<DoorAccess> {
    const answer = await fetch(`${door}/-/credentials`, { method: "POST", headers: { authorization: `Bearer ${token}` } });
    const made = (await answer.json()) as Omit<DoorAccess, "folder" | "endpoint">;
    return { ...made, endpoint: door, folder: world.folder };
  }

  const refused = (code: string, status: number) => (error: unknown) => {
    assert.ok(error instanceof S3ServiceException, String(error));
    assert.deepEqual([error.name, error.$metadata.httpStatusCode], [code, status]);
    return true;
  };
  const put = (Key: string, Body: string | Buffer, client = s3, more = {}) =>
    client.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
  const get = async (Key: string, client = s3) => (await client.send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToString();
  const spoolFiles = () =>
    readdirSync(join(cache, "s3"), { recursive: true, encoding: "utf8" }).filter((path) => /\/[^/]+-[^/]+$/.test(path));

  test("who may only pull reads and stores nothing, whatever he tries", async () => {
    await put("mine/a.txt", "a");
    await put("mine/.commit", "one");
    const before = spoolFiles();
    const client = sdkClient(await credentials(await tokenFor({ repositories: "team/mine", actions: ["pull"] })));
    assert.equal(await get("mine/a.txt", client), "a");
    await assert.rejects(put("mine/b.txt", "b", client), refused("AccessDenied", 403));
    await assert.rejects(put("mine/.commit", "b", client), refused("AccessDenied", 403));
    await assert.rejects(client.send(new DeleteObjectCommand({ Bucket, Key: "mine/a.txt" })), refused("AccessDenied", 403));
    await assert.rejects(client.send(new CreateMultipartUploadCommand({ Bucket, Key: "mine/c" })), refused("AccessDenied", 403));
    await assert.rejects(
      client.send(new CopyObjectCommand({ Bucket, Key: "mine/d", CopySource: "team/mine/a.txt" })),
      refused("AccessDenied", 403),
    );
    assert.deepEqual(spoolFiles(), before);
    assert.equal(await get("mine/a.txt"), "a");
  });

  test("what is pending is seen by those who may push, and by nobody else, until the commit", async () => {
    const reader = sdkClient(await credentials(await tokenFor({ repositories: "team/*", actions: ["pull"] })));
    await put("shown/a.txt", "1");
    await put("shown/.commit", "one");
    await put("shown/a.txt", "2");
    await put("shown/b.txt", "new");
    assert.deepEqual([await get("shown/a.txt"), await get("shown/main/b.txt")], ["2", "new"]);
    assert.equal(await get("shown/a.txt", reader), "1");
    await assert.rejects(get("shown/b.txt", reader), refused("NoSuchKey", 404));
    const keys = async (client: S3Client) =>
      (await client.send(new ListObjectsV2Command({ Bucket, Prefix: "shown/" }))).Contents?.map(({ Key }) => Key);
    assert.deepEqual(await keys(s3), ["shown/a.txt", "shown/b.txt"]);
    assert.deepEqual(await keys(reader), ["shown/a.txt"]);
    await put("shown/.commit", "two");
    await new Promise((wake) => setTimeout(wake, 2_100));
    assert.deepEqual([await get("shown/a.txt", reader), await get("shown/b.txt", reader)], ["2", "new"]);
  });

  test("a repository that a token may not see is not there; nothing says that it is", async () => {
    const other = sdkClient(await credentials(await tokenFor({ repositories: "team/else", actions: ["pull", "push"] })));
    await assert.rejects(get("mine/a.txt", other), refused("NoSuchKey", 404));
    await assert.rejects(get("nowhere/a.txt", other), refused("NoSuchKey", 404));
    assert.equal((await other.send(new ListObjectsV2Command({ Bucket, Prefix: "mine/" }))).KeyCount, 0);
  });

  test("credentials end with their token", async () => {
    const { token, description } = await world.app.admin.call("createToken", {
      body: { name: "short", scopes: [{ repositories: "team/*", actions: ["pull"] }] },
    });
    const made = await credentials(token);
    await world.app.admin.call("revokeToken", { params: { id: description.id } });
    // The registry remembers for half a minute whom it let in.
    world.app.clock.advance(31_000);
    await assert.rejects(get("mine/a.txt", sdkClient(made)), refused("InvalidAccessKeyId", 403));
  });

  test("wrong secrets, unknown keys and changed requests are refused, and store nothing", async () => {
    const before = spoolFiles();
    const wrong = sdkClient({ ...access, secretAccessKey: `${access.secretAccessKey}x` });
    await assert.rejects(put("mine/x", "x", wrong), refused("SignatureDoesNotMatch", 403));
    await assert.rejects(put("mine/x", "x", sdkClient({ ...access, accessKeyId: "AKIANOBODY" })), refused("InvalidAccessKeyId", 403));
    const url = await presigned(access, "PUT", "team/mine/x");
    const answers = await Promise.all([
      raw("PUT", url.replace("mine/x", "mine/y"), "x"),
      raw("DELETE", url),
      raw("PUT", `${door}/team/mine/x`, "x"),
      raw("PUT", await presigned(access, "PUT", "team/mine/x", { at: new Date(Date.now() - 120_000) }), "x"),
    ]);
    const codes = ["SignatureDoesNotMatch", "SignatureDoesNotMatch", "AccessDenied", "AccessDenied"];
    assert.deepEqual(
      answers.map(({ status, text }) => [status, /<Code>(\w+)</.exec(text)?.[1]]),
      codes.map((code) => [403, code]),
    );
    assert.deepEqual(spoolFiles(), before);
    const once = await presigned(access, "GET", "team/mine/a.txt");
    assert.equal((await raw("GET", once)).text, "a");
    const clock = await presigned(access, "GET", "team/mine/a.txt", { expiresIn: 1, at: new Date(Date.now() - 2_000) });
    assert.match((await raw("GET", clock)).text, /AccessDenied.*Request has expired/s);
  });

  test("who signs nothing reads what the anonymous token may, and writes nothing", async () => {
    await world.app.admin.call("createRepository", {
      body: { repository: RepositoryName.parse("open/model"), operationId: operationId() },
    });
    await s3.send(new PutObjectCommand({ Bucket: "open", Key: "model/a.txt", Body: "free" }));
    await s3.send(new PutObjectCommand({ Bucket: "open", Key: "model/.commit", Body: "x" }));
    assert.deepEqual(await raw("GET", `${door}/open/model/a.txt`), { status: 200, text: "free" });
    assert.equal((await raw("GET", `${door}/team/mine/a.txt`)).status, 404);
    assert.equal((await raw("PUT", `${door}/open/model/b.txt`, "x")).status, 403);
    assert.equal((await raw("GET", `${door}/open/model/a.txt`, undefined, { host: "evil.example" })).status, 403);
  });

  test("keys that lead elsewhere are refused, raw or encoded", async () => {
    for (const path of [
      "mine/../else/x",
      "mine/./x",
      "mine//x",
      "mine/a%5Cb",
      "mine/%2e%2e/x",
      "mine/a%00b",
      "mine/.git/config",
      "..%2fx/y",
      "x",
    ]) {
      const url = `/team/${path}`;
      const answer = await raw("PUT", `${door}${url}`, "x", await signedHeaders("PUT", url));
      assert.ok([400, 403].includes(answer.status), `${path}: ${answer.status} ${answer.text}`);
    }
    await assert.rejects(get("mine/../mine/a.txt"), refused("NoSuchKey", 404));
  });

  test("a body that is not what was said of it is refused, and nothing of it stays", async () => {
    const before = spoolFiles();
    await assert.rejects(put("mine/bad", "body", s3, { ContentMD5: "AAAAAAAAAAAAAAAAAAAAAA==" }), refused("BadDigest", 400));
    await assert.rejects(put("mine/bad", "body", s3, { ChecksumSHA256: Buffer.alloc(32).toString("base64") }), refused("BadDigest", 400));
    await assert.rejects(put("mine/bad", "body", s3, { ChecksumCRC64NVME: "AAAAAAAAAAA=" }), refused("BadDigest", 400));
    const [url, cut] = [await presigned(access, "PUT", "team/mine/bad"), Promise.withResolvers<void>()];
    const half = request(url, { method: "PUT", headers: { "content-length": "1000" } });
    half.on("error", () => cut.resolve());
    half.write("x".repeat(500), () => half.destroy());
    await cut.promise;
    await settled(() => assert.deepEqual(spoolFiles(), before));
    await assert.rejects(get("mine/bad"), refused("NoSuchKey", 404));
  });

  test("more than the quota allows, or than the door has room for, is refused before it is stored", async () => {
    await put("small/a", Buffer.alloc(1000));
    await put("small/.commit", "one");
    const repository = RepositoryName.parse("team/small");
    const { settings } = await world.app.admin.call("describeRepository", { repository });
    const quota = { logicalBytes: 5000, storedBytes: null, objects: null };
    await world.app.admin.call("setSettings", { repository, body: { settings: { ...settings, quota }, operationId: operationId() } });
    await new Promise((wake) => setTimeout(wake, 2_100));
    const before = spoolFiles();
    await assert.rejects(put("small/b", Buffer.alloc(4000)), refused("QuotaExceeded", 403));
    await assert.rejects(put("mine/huge", Buffer.alloc(65 * MiB)), refused("InsufficientStorage", 507));
    assert.deepEqual(spoolFiles(), before);
    await put("small/b", Buffer.alloc(1000));
    await put("small/.commit", "two");
  });

  test("all that was acknowledged is there after kill -9: files, removals, parts; and is committed as one revision", async () => {
    const big = Buffer.concat([...seededBytes("killed", 12 * MiB)]);
    await put("kept/old.txt", "old");
    await put("kept/.commit", "one");
    await put("kept/a.txt", "first");
    await put("kept/a.txt", "second");
    await s3.send(new DeleteObjectCommand({ Bucket, Key: "kept/old.txt" }));
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: "kept/big.bin" }));
    const part = (PartNumber: number, from: number, to: number) =>
      s3.send(new UploadPartCommand({ Bucket, Key: "kept/big.bin", UploadId, PartNumber, Body: big.subarray(from, to) }));
    const [first, third] = [await part(1, 0, 5 * MiB), await part(3, 10 * MiB, 12 * MiB)];
    await agent.end("SIGKILL");
    await start();
    s3 = sdkClient({ ...access, endpoint: door });
    access = { ...access, endpoint: door };
    assert.equal(await get("kept/a.txt"), "second");
    await assert.rejects(get("kept/old.txt"), refused("NoSuchKey", 404));
    const { Uploads } = await s3.send(new ListMultipartUploadsCommand({ Bucket }));
    assert.deepEqual(
      Uploads?.map(({ Key }) => Key),
      ["kept/big.bin"],
    );
    const { Parts } = await s3.send(new ListPartsCommand({ Bucket, Key: "kept/big.bin", UploadId }));
    assert.deepEqual(
      Parts?.map(({ PartNumber, Size }) => [PartNumber, Size]),
      [
        [1, 5 * MiB],
        [3, 2 * MiB],
      ],
    );
    const second = await part(2, 5 * MiB, 10 * MiB);
    const complete = () => {
      const parts = [first, second, third].map(({ ETag }, at) => ({ PartNumber: at + 1, ETag }));
      return s3.send(new CompleteMultipartUploadCommand({ Bucket, Key: "kept/big.bin", UploadId, MultipartUpload: { Parts: parts } }));
    };
    const done = await complete();
    assert.equal((await complete()).ETag, done.ETag, "an answer that was lost is given again");
    await agent.end("SIGKILL");
    await start();
    s3 = sdkClient({ ...access, endpoint: door });
    access = { ...access, endpoint: door };
    const listed = (await ferry(world.token, "commit", "--list"))["pending"] as { repository: string; files: number; removed: number }[];
    assert.deepEqual(
      listed.filter(({ repository }) => repository === "team/kept").map(({ files, removed }) => [files, removed]),
      [[2, 1]],
    );
    const { revision } = await ferry(world.token, "commit", "team/kept", "-m", "after the kills");
    const { files } = await ferry(world.token, "ls", `team/kept@${revision}`).then((told) => told as { files: { path: string }[] });
    assert.deepEqual(files.map(({ path }) => path).sort(), ["a.txt", "big.bin"]);
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key: "kept/big.bin" }));
    assert.equal(head.ETag, done.ETag, "the ETag is the same before and after the commit");
    const read = await s3.send(new GetObjectCommand({ Bucket, Key: "kept/big.bin", ChecksumMode: "ENABLED" }));
    assert.ok(big.equals(Buffer.from((await read.Body?.transformToByteArray()) ?? [])));
  });

  test("odd parts, parts sent again, and parts that are left out make what was asked for", async () => {
    const bytes = Buffer.concat([...seededBytes("odd", 18 * MiB)]);
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: "odd/x" }));
    const part = (PartNumber: number, Body: Buffer) => s3.send(new UploadPartCommand({ Bucket, Key: "odd/x", UploadId, PartNumber, Body }));
    const cut = (from: number, to: number) => bytes.subarray(from * MiB, to * MiB);
    await part(1, cut(1, 7));
    await part(9, cut(0, 5));
    const [last, first, middle] = [await part(8, cut(17, 18)), await part(1, cut(0, 6)), await part(4, cut(6, 17))];
    const parts = [
      { PartNumber: 1, ETag: first.ETag },
      { PartNumber: 4, ETag: middle.ETag },
      { PartNumber: 8, ETag: last.ETag },
    ];
    const complete = (Parts: { PartNumber: number; ETag: string | undefined }[]) =>
      s3.send(new CompleteMultipartUploadCommand({ Bucket, Key: "odd/x", UploadId, MultipartUpload: { Parts } }));
    await assert.rejects(complete([...parts].reverse()), refused("InvalidPartOrder", 400));
    await assert.rejects(complete([{ PartNumber: 2, ETag: first.ETag }]), refused("InvalidPart", 400));
    await complete(parts);
    const read = await s3.send(new GetObjectCommand({ Bucket, Key: "odd/x" }));
    assert.ok(bytes.equals(Buffer.from((await read.Body?.transformToByteArray()) ?? [])));
    await ferry(world.token, "commit", "team/odd", "--discard", "--yes");
    await assert.rejects(get("odd/x"), refused("NoSuchKey", 404));
  });

  test("a branch that moved meanwhile is committed onto, and nobody's files are lost", async () => {
    await put("moved/a", "1");
    await put("moved/.commit", "one");
    await put("moved/b", "2");
    const folder = join(world.folder, "other");
    mkdirSync(folder);
    writeFileSync(join(folder, "a"), "1");
    writeFileSync(join(folder, "c"), "3");
    await ferry(world.token, "push", folder, "team/moved", "--message", "elsewhere");
    await put("moved/.commit", "two");
    assert.deepEqual([await get("moved/a"), await get("moved/b"), await get("moved/c")], ["1", "2", "3"]);
  });

  test("what nobody touched for as long as is kept is thrown away", async () => {
    await put("late/a", "1");
    await agent.end("SIGKILL");
    await start("--s3-keep", "1s");
    s3 = sdkClient({ ...access, endpoint: door });
    access = { ...access, endpoint: door };
    await new Promise((wake) => setTimeout(wake, 1_100));
    await agent.end("SIGKILL");
    await start("--s3-keep", "1s");
    s3 = sdkClient({ ...access, endpoint: door });
    access = { ...access, endpoint: door };
    await settled(async () => assert.rejects(get("late/a"), refused("NoSuchKey", 404)));
  });

  /** Headers for a request that names its path as it is. */
  async function signedHeaders(method: string, path: string): Promise<Record<string, string>> {
    const { SignatureV4 } = await import("@smithy/signature-v4");
    const { sha256 } = await sdkClient(access).config;
    const { accessKeyId, secretAccessKey } = access;
    const credentials = { accessKeyId, secretAccessKey };
    const signer = new SignatureV4({ service: "s3", region: "us-east-1", uriEscapePath: false, applyChecksum: false, sha256, credentials });
    const { host, hostname, port } = new URL(door);
    const canonical = path
      .split("/")
      .map((word) => encodeURIComponent(decodeURIComponent(word)))
      .join("/");
    const headers = { host, "x-amz-content-sha256": "UNSIGNED-PAYLOAD" };
    const signed = await signer.sign({ method, protocol: "http:", hostname, port: Number(port), path: canonical, headers, query: {} });
    return signed.headers;
  }
});

/** As it is written: no client normalises the path. */
function raw(method: string, url: string, body?: string, headers: Record<string, string> = {}): Promise<{ status: number; text: string }> {
  const [, hostname = "", port = "", path = ""] = /^http:\/\/([^:/]+):(\d+)(\/.*)$/.exec(url) ?? [];
  return new Promise((resolve, reject) => {
    const length: Record<string, string> = body === undefined ? {} : { "content-length": String(body.length) };
    const asked = request({ hostname, port, path, method, headers: { ...length, ...headers } }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    asked.on("error", reject);
    asked.end(body);
  });
}

async function settled(check: () => void | Promise<void>): Promise<void> {
  for (let left = 200; ; left--) {
    try {
      return await check();
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((wake) => setTimeout(wake, 20));
    }
  }
}
