import assert from "node:assert/strict";
import { test } from "node:test";
import { BODY_BYTES_MAX } from "../../../functions/http/body.ts";
import { ask, makeWorld, refusal, stored, targetOf, type World } from "./requests.ts";

/** A body that counts what is taken of it; `bytesMax` null: it never ends. */
function counted(bytesMax: number | null, pieceBytes = 64 * 1024) {
  const count = { pulled: 0, cancelled: false };
  const piece = new Uint8Array(pieceBytes).fill(0x20);
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (bytesMax !== null && count.pulled >= bytesMax) return controller.close();
        count.pulled += pieceBytes;
        controller.enqueue(piece);
      },
      cancel() {
        count.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { body, count };
}

function createIn(world: World, body: BodyOf, headers: Record<string, string> = {}): Promise<Response> {
  return ask(world.app, { ...targetOf("createRepository"), token: world.token, body, headers });
}
type BodyOf = Parameters<typeof ask>[1]["body"];

test("nobody's body is read: without a token not one byte is taken", async () => {
  const world = await makeWorld();
  for (const authorization of ["", "Bearer x"]) {
    const { body, count } = counted(null);
    const response = await ask(world.app, { ...targetOf("createRepository"), body, headers: { authorization } });
    await refusal(response, authorization === "" ? "TOKEN_MISSING" : "TOKEN_INVALID", authorization);
    assert.equal(count.pulled, 0);
  }
});

test("a body that says it is too large is refused unread; so is one of another media type", async () => {
  const world = await makeWorld();
  for (const length of [String(BODY_BYTES_MAX + 1), "1000000000000", "1e12", "0x7fffffff"]) {
    const { body, count } = counted(null);
    await refusal(await createIn(world, body, { "content-length": length }), "BODY_TOO_LARGE", length);
    assert.equal(count.pulled, 0);
  }
  const { body, count } = counted(null);
  await refusal(await createIn(world, body, { "content-type": "text/plain" }), "MEDIA_TYPE_INVALID", "text");
  assert.equal(count.pulled, 0);
});

test("a body that says nothing, or lies, is read up to the limit and no further, and its sender is stopped", async () => {
  const world = await makeWorld();
  const before = await stored(world);
  for (const headers of [
    {},
    { "content-length": "0" },
    { "content-length": "2" },
    { "content-length": "-1" },
    { "content-length": "many" },
  ] as Record<string, string>[]) {
    const { body, count } = counted(null);
    const problem = await refusal(await createIn(world, body, headers), "BODY_TOO_LARGE", JSON.stringify(headers));
    assert.deepEqual(problem.details, { limitBytes: BODY_BYTES_MAX });
    assert.ok(count.pulled > BODY_BYTES_MAX && count.pulled <= BODY_BYTES_MAX + 2 * 64 * 1024, `${count.pulled} bytes were taken`);
    assert.ok(count.cancelled);
  }
  assert.deepEqual(await stored(world), before);
});

test("the limit is exact: the largest body is taken, one byte more is not", async () => {
  const world = await makeWorld();
  const text = JSON.stringify(world.sample("createRepository").body);
  await refusal(await createIn(world, text.padEnd(BODY_BYTES_MAX + 1)), "BODY_TOO_LARGE", "one more");
  assert.equal((await createIn(world, text.padEnd(BODY_BYTES_MAX))).status, 201);
});

test("a body that breaks off is refused, and nothing of it is taken for the whole", async () => {
  const world = await makeWorld();
  const before = await stored(world);
  const whole = new TextEncoder().encode(JSON.stringify(world.sample("createRepository").body));
  for (const cut of [0, 1, whole.length - 1, whole.length]) {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(whole.subarray(0, cut)),
      pull: (controller) => controller.error(new Error("the connection was reset at /home/somebody/x.ts:1:1")),
    });
    const problem = await refusal(await createIn(world, body), "REQUEST_INVALID", `cut at ${cut}`);
    assert.match(problem.detail, /it broke off/);
  }
  assert.deepEqual(await stored(world), before);
});

test("a body may come in pieces of any size, also through the middle of a character", async () => {
  for (const pieceBytes of [1, 2, 3, 7]) {
    const world = await makeWorld();
    const whole = new TextEncoder().encode(JSON.stringify({ ...world.sample("setTag").body, message: "第一个模型 🚀" }));
    let at = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (at >= whole.length) return controller.close();
        controller.enqueue(whole.subarray(at, at + pieceBytes));
        at += pieceBytes;
      },
    });
    const response = await ask(world.app, { ...targetOf("setTag", world.sample("setTag")), token: world.token, body });
    assert.equal(response.status, 200);
  }
});

test("brackets, colons and quotes inside a string are text: no limit counts them", async () => {
  const world = await makeWorld();
  const messages = [
    "[".repeat(4_000),
    "{".repeat(4_000),
    ":".repeat(4_000),
    ",".repeat(4_000),
    '"'.repeat(2_000),
    "\\".repeat(2_000),
    '"['.repeat(1_000),
    '{"a":1,"a":2}',
  ];
  for (const [at, message] of messages.entries()) {
    const sample = world.sample("setTag");
    const params = { tag: `tag-${at}` };
    const body = JSON.stringify({ ...sample.body, message, operationId: `operation-of-text-${at}` });
    const response = await ask(world.app, { ...targetOf("setTag", { params }), token: world.token, body });
    assert.equal(response.status, 200, `${message.slice(0, 10)}: ${await response.text()}`);
  }
});

test("16 levels are parsed, 17 are not; the same for the number of values and of keys", async () => {
  const world = await makeWorld();
  const said = async (body: string) => (await refusal(await createIn(world, body), "REQUEST_INVALID", body.slice(0, 40))).detail;
  assert.doesNotMatch(await said(`${"[".repeat(16)}${"]".repeat(16)}`), /nested/);
  assert.match(await said(`${"[".repeat(17)}${"]".repeat(17)}`), /nested deeper than 16/);
  assert.doesNotMatch(await said(`[${"0,".repeat(1_999_997)}0]`), /values/);
  assert.match(await said(`[${"0,".repeat(2_000_000)}0]`), /more than 2000000 values/);
  const keys = (count: number) => JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, at])));
  assert.doesNotMatch(await said(keys(100)), /more than 100 keys/);
  assert.match(await said(keys(101)), /more than 100 keys/);
});
