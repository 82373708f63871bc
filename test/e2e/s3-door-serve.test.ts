/** The S3 door beside the Node server: `npm run serve` with S3_LISTEN. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { GetObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { s3Beside } from "../../scripts/agent/s3-beside.ts";
import { freePort } from "../../scripts/stack/ports.ts";
import { RepositoryName } from "../../shared/names.ts";
import { until } from "../support/agents.ts";
import { startLive } from "../support/live.ts";
import { sdkClient } from "../support/s3-door-clients.ts";
import { whyNoRedis } from "../support/stack.ts";
import { tempFolder } from "../support/trees.ts";

const SERVE = fileURLToPath(new URL("../../scripts/serve.ts", import.meta.url));

test("the Node server has an S3 door beside it, whose uploads are its revisions; both end together", {
  skip: whyNoRedis(),
  timeout: 120_000,
}, async (t) => {
  const live = await startLive({ runtime: "node" });
  t.after(() => live.stop());
  const folder = tempFolder();
  t.after(() => folder.remove());
  const { PATH = "", HOME = "/" } = process.env;
  const { stack } = live;
  const port = await freePort();
  const door = { S3_LISTEN: "0", S3_TOKEN: stack.token, S3_FOLDER: join(folder.path, "s3"), S3_CACHE: "1GiB" };
  const env = { PATH, HOME, ...stack.vars, ...door, REDIS_URL: stack.redis.url, PORT: String(port) };
  const server = spawn(process.execPath, [SERVE], { env, stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => server.kill("SIGKILL"));
  const lines: Record<string, unknown>[] = [];
  createInterface(server.stdout).on("line", (line) => lines.push(JSON.parse(line) as Record<string, unknown>));
  const line = (event: string) => lines.find((one) => one["event"] === event);
  await until(async () => line("door.listening") !== undefined, "the door");
  const endpoint = `http://${line("door.listening")?.["address"]}`;
  const answer = await fetch(`${endpoint}/-/credentials`, { method: "POST", headers: { authorization: `Bearer ${stack.token}` } });
  const made = (await answer.json()) as { accessKeyId: string; secretAccessKey: string };
  const s3 = sdkClient({ ...made, endpoint, folder: folder.path });
  await s3.send(new PutObjectCommand({ Bucket: "team", Key: "served/a.txt", Body: "words" }));
  const { ETag } = await s3.send(new PutObjectCommand({ Bucket: "team", Key: "served/.commit", Body: "by the server" }));
  assert.ok(ETag !== undefined);
  const read = await s3.send(new GetObjectCommand({ Bucket: "team", Key: "served/main/a.txt" }));
  assert.equal(await read.Body?.transformToString(), "words");
  const { revisions } = await live.admin.call("listRevisions", { repository: RepositoryName.parse("team/served"), query: {} });
  assert.deepEqual(
    revisions.map(({ message }) => message),
    ["by the server"],
  );
  const ended = new Promise((resolve) => server.once("exit", resolve));
  server.kill("SIGTERM");
  await ended;
  await until(async () => (await fetch(endpoint).catch(() => null)) === null, "the door to end");
});

test("a door that lacks a setting, or can't know where the server is, is told so", () => {
  const whole = { S3_LISTEN: "9000", S3_TOKEN: "hf_x", S3_FOLDER: "/s3" };
  assert.equal(s3Beside({}), null);
  assert.deepEqual(s3Beside({ ...whole, PORT: "80" })?.env, { FERRY_ENDPOINT: "http://127.0.0.1:80", FERRY_TOKEN: "hf_x" });
  assert.throws(() => s3Beside({ ...whole, S3_TOKEN: undefined }), /S3_TOKEN/);
  assert.throws(() => s3Beside({ ...whole, TLS_CERT_FILE: "/c" }), /S3_ENDPOINT/);
});
