/** What a request asks of stores and the index: counted for it alone, however many run beside it, and in all. */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import { classOf, meteredCommands, meteredFetch } from "../../../functions/metered.ts";
import { NO_SCOPE, type Spent, Traffic } from "../../../functions/registry/traffic.ts";
import { S3Profile } from "../../../functions/storage/profile.ts";

const HOME = S3Profile.parse({ id: "home", provider: "r2", endpoint: "https://s3.test", region: "auto", bucket: "models" });
const OTHER = S3Profile.parse({
  id: "west",
  provider: "aws",
  endpoint: "https://aws.test",
  region: "us",
  bucket: "models",
  addressing: "virtual",
});

function world() {
  let nowMs = 0;
  const traffic = new Traffic({ now: () => nowMs }, new AsyncLocalStorage<Spent>());
  const answers: (() => void)[] = [];
  const slow: typeof fetch = () => new Promise((resolve) => answers.push(() => resolve(new Response("x"))));
  return {
    traffic,
    fetch: meteredFetch(slow, [HOME, OTHER], traffic),
    pass(ms: number) {
      nowMs += ms;
    },
    answerNext: () => answers.shift()?.(),
  };
}

test("requests that overlap are counted each for itself; time is while something was under way, not the sum", async () => {
  const { traffic, fetch, pass, answerNext } = world();
  const first = traffic.during(async () => {
    await Promise.all([fetch("https://s3.test/models/a"), fetch("https://s3.test/models/b")]);
    return traffic.spentNow();
  });
  const second = traffic.during(async () => {
    await fetch("https://s3.test/models/c");
    return traffic.spentNow();
  });
  pass(10);
  answerNext();
  await Promise.resolve();
  pass(5);
  answerNext();
  const spent = await first;
  pass(100);
  answerNext();
  assert.deepEqual([spent?.store.count, spent?.store.ms], [2, 15]);
  assert.deepEqual([(await second)?.store.count, (await second)?.store.ms], [1, 115]);
  assert.equal(traffic.spentNow(), null);
});

test("in all: by store, class and purpose; what nobody's request asks for is the background's; each count is given once", async () => {
  const { traffic, fetch, answerNext } = world();
  const ask = async (method: string, url: string) => {
    const asked = fetch(url, { method });
    answerNext();
    await asked;
  };
  await traffic.during(async () => {
    const spent = traffic.spentNow();
    if (spent !== null) spent.purpose = "push";
    await ask("PUT", "https://s3.test/models/a");
    await ask("PUT", "https://models.aws.test/a");
    await ask("GET", "https://login.test/models/a");
    await ask("GET", "https://s3.test/models2/a");
  });
  await ask("GET", "https://s3.test/models?list-type=2");
  const key = (store: string, kind: string, purpose: string) =>
    `ferry_store_operations_total{store="${store}",class="${kind}",for="${purpose}"}`;
  assert.deepEqual(
    [...traffic.take()],
    [
      [key("home", "A", "push"), 1],
      [key("west", "A", "push"), 1],
      [key("home", "A", "background"), 1],
    ],
  );
  assert.equal(traffic.take().size, 0);
});

test("classes are those that providers bill", () => {
  const url = "https://s3.test/models/k";
  const rows: [string, string, string][] = [
    ["PUT", url, "A"],
    ["POST", `${url}?uploads`, "A"],
    ["GET", `${url}?prefix=delete&list-type=2`, "A"],
    ["GET", url, "B"],
    ["HEAD", url, "B"],
    ["DELETE", url, "free"],
    ["POST", "https://s3.test/models/?delete=", "free"],
    ["POST", "https://s3.test/models/?delete", "free"],
  ];
  for (const [method, at, kind] of rows) assert.equal(classOf(method, at), kind, `${method} ${at}`);
});

test("commands of the index are counted with what was sent and what came back, also when they fail", async () => {
  const traffic = new Traffic({ now: () => 0 }, NO_SCOPE);
  const commands = meteredCommands(
    { pipeline: async () => ["12345", ["ab", 1, null]], script: () => Promise.reject(new Error("gone")) },
    traffic,
  );
  await commands.pipeline([
    ["GET", "k"],
    ["HGETALL", "kk"],
  ]);
  await assert.rejects(commands.script("return 1", ["key"], ["arg", 7]));
  assert.deepEqual(Object.fromEntries(traffic.take()), {
    'ferry_index_commands_total{for="background"}': 3,
    'ferry_index_bytes_total{direction="sent",for="background"}': 13 + 8 + 3 + 3 + 8,
    'ferry_index_bytes_total{direction="received",for="background"}': 5 + 2 + 8 + 8,
  });
});
