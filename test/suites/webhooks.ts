/** What the feed of events and the deliveries of webhooks promise, wherever they are kept. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Events } from "../../functions/registry/events/ports.ts";
import type { Deliveries, Delivery } from "../../functions/registry/hooks/ports.ts";

export type HookPorts = { events: Events; deliveries: Deliveries };

const LAST = { atMs: 5, status: 500, problem: "it | broke\nin two lines" };

function delivery(n: number, webhook = "ci"): Delivery {
  return { id: `msg_${n}`, webhook, event: `e-${n}`, type: "tag.moved", createdAtMs: 1_000 + n, body: `{"n":${n},"text":"a|b\\n"}` };
}

export function hooksSuite(name: string, open: () => HookPorts): void {
  describe(`${name}: events and deliveries`, () => {
    feedTests(open);
    deliveryTests(open);
    memoryTests(open);
  });
}

function feedTests(open: () => HookPorts): void {
  test("what was recorded is read in order, from a cursor on, by pages", async () => {
    const { events } = open();
    assert.deepEqual(await events.read({ after: null, limit: 10 }), { events: [], newest: "0-0", missed: false });
    for (let n = 0; n < 5; n++) await events.record({ type: "tag.moved", about: { n } });
    const first = await events.read({ after: "0-0", limit: 3 });
    const rest = await events.read({ after: first.events.at(-1)?.cursor ?? "", limit: 3 });
    assert.deepEqual(
      [...first.events, ...rest.events].map(({ about }) => about["n"]),
      [0, 1, 2, 3, 4],
    );
    assert.deepEqual([first.missed, rest.missed], [false, false]);
    const end = await events.read({ after: null, limit: 1 });
    assert.equal(end.newest, rest.events.at(-1)?.cursor);
    assert.deepEqual((await events.read({ after: end.newest, limit: 3 })).events, []);
  });

  test("a cursor that the feed does not know is told that something may be missing", async () => {
    const { events } = open();
    await events.record({ type: "tag.moved", about: {} });
    assert.equal((await events.read({ after: "0-7", limit: 3 })).missed, true);
  });
}

function deliveryTests(open: () => HookPorts): void {
  test("what is due is claimed by one, and nobody else until the claim ends", async () => {
    const { deliveries } = open();
    await deliveries.enqueue("ci", [delivery(1), delivery(2)], 100);
    await deliveries.enqueue("ci", [delivery(1)], 900);
    assert.deepEqual(await deliveries.claim(99, 200, 10), []);
    const both = await Promise.all([deliveries.claim(100, 200, 10), deliveries.claim(100, 200, 10)]);
    assert.equal(both.flat().length, 2);
    assert.deepEqual(await deliveries.claim(199, 300, 10), []);
    const again = await deliveries.claim(200, 300, 1);
    assert.deepEqual([again.length, again[0]?.attempts], [1, 2]);
    assert.equal(await deliveries.waiting(), 2);
  });

  test("only the newest claim says how it ended", async () => {
    const { deliveries } = open();
    await deliveries.enqueue("ci", [delivery(1)], 0);
    const [first] = await deliveries.claim(0, 10, 1);
    const [second] = await deliveries.claim(10, 20, 1);
    assert.ok(first !== undefined && second !== undefined);
    assert.equal(await deliveries.settle(first, { state: "failed", dueMs: null, last: LAST }), false);
    assert.equal(await deliveries.settle(second, { state: "waiting", dueMs: 500, last: LAST }), true);
    const found = await deliveries.find("msg_1");
    assert.deepEqual([found?.state, found?.attempts, found?.dueMs, found?.last], ["waiting", 2, 500, LAST]);
    assert.deepEqual(found?.delivery, delivery(1));
    const [third] = await deliveries.claim(500, 600, 1);
    assert.ok(third !== undefined);
    assert.equal(await deliveries.settle(third, { state: "delivered", dueMs: null, last: { atMs: 6, status: 200, problem: null } }), true);
    assert.deepEqual([await deliveries.waiting(), (await deliveries.claim(1e15, 2e15, 1)).length], [0, 0]);
  });

  test("one that is over is taken again from the start, whoever asks", async () => {
    const { deliveries } = open();
    await deliveries.enqueue("ci", [delivery(1)], 0);
    const [claim] = await deliveries.claim(0, 10, 1);
    assert.ok(claim !== undefined);
    await deliveries.settle(claim, { state: "failed", dueMs: null, last: LAST });
    const taken = await deliveries.take("msg_1", 50);
    assert.deepEqual([taken?.attempts, taken?.delivery.body], [1, delivery(1).body]);
    assert.equal(await deliveries.take("msg_9", 50), null);
  });

  test("each webhook has its own list, newest first, and is dropped alone", async () => {
    const { deliveries } = open();
    await deliveries.enqueue("ci", [delivery(1), delivery(2), delivery(3)], 0);
    await deliveries.enqueue("cd", [delivery(4, "cd")], 0);
    const ids = async (webhook: string) => (await deliveries.list(webhook, 2)).map((entry) => entry.delivery.id);
    assert.deepEqual(await ids("ci"), ["msg_3", "msg_2"]);
    await deliveries.drop("ci");
    assert.deepEqual([await ids("ci"), await ids("cd"), await deliveries.waiting()], [[], ["msg_4"], 1]);
    assert.equal(await deliveries.find("msg_1"), null);
  });
}

function memoryTests(open: () => HookPorts): void {
  test("of all who bring a message at once one is to do it; done stays done, failed may come again", async () => {
    const { deliveries } = open();
    const told = await Promise.all(Array.from({ length: 20 }, () => deliveries.begin("m1", 60)));
    assert.deepEqual([told.filter((one) => one === "new").length, told.filter((one) => one === "busy").length], [1, 19]);
    await deliveries.end("m1", 0);
    assert.equal(await deliveries.begin("m1", 60), "new");
    await deliveries.end("m1", 60);
    assert.equal(await deliveries.begin("m1", 60), "done");
  });
}
