/** Real clients of the Hub, unmodified, against an agent: they read out of its cache what their own tokens let them read. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type AgentProcess, type AgentWorld, startAgentWorld } from "../support/agents.ts";

describe("the Hub's door of an agent", () => {
  let world: AgentWorld;
  let agent: AgentProcess;
  let endpoint: string;

  before(async () => {
    world = await startAgentWorld();
    agent = await world.start({ id: "one", flags: ["--hub", "127.0.0.1:0"] });
    endpoint = `http://${agent.log.find(({ event, door }) => event === "door.listening" && door === "hub")?.["address"]}`;
  });
  after(() => world?.stop());

  test("who am I", async () => {
    const answer = await fetch(`${endpoint}/api/whoami-v2`, { headers: { authorization: `Bearer ${world.token}` } });
    assert.equal(((await answer.json()) as { name: string }).name, "agent");
    assert.equal((await fetch(`${endpoint}/api/whoami-v2`)).status, 401);
  });
});
