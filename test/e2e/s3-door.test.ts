/** Real S3 clients, unmodified, at the S3 door of an agent: what they upload becomes revisions, and what they read is those, byte for byte. */
import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pullFiles } from "../../scripts/node/transfer.ts";
import { RepositoryName } from "../../shared/names.ts";
import { MiB } from "../../shared/units.ts";
import { type AgentProcess, type AgentWorld, startAgentWorld } from "../support/agents.ts";
import { ferryProcess } from "../support/ferry-process.ts";
import { writeSafetensors } from "../support/live.ts";
import { type DoorAccess, S3_CLIENTS } from "../support/s3-door-clients.ts";
import { snapshot } from "../support/trees.ts";

/** Of the large file; `npm test` alone may take 5120. */
const LARGE_MIB = Number(process.env["FERRY_S3_MIB"] ?? 16);

describe("S3 clients", { timeout: 3_600_000 }, () => {
  let world: AgentWorld;
  let agent: AgentProcess;
  let access: DoorAccess;
  let tree: string;
  before(async () => {
    world = await startAgentWorld();
    agent = await world.start({ id: "s3", flags: ["--s3", "0"] });
    await world.joined([agent], 1);
    const door = agent.log.find(({ event, door }) => event === "door.listening" && door === "s3");
    const env = { FERRY_ENDPOINT: world.served.endpoint, FERRY_TOKEN: world.token, FERRY_S3: `http://${door?.["address"]}` };
    const made = JSON.parse((await ferryProcess(["s3-credentials", "--json"], { env })).stdout) as Omit<DoorAccess, "folder">;
    access = { ...made, folder: join(world.folder, "home") };
    mkdirSync(access.folder);
    tree = join(world.folder, "tree");
    makeTree(tree);
  });
  after(() => world?.stop());

  async function pulled(repository: string): Promise<Record<string, string>> {
    const destination = join(world.folder, "pulled");
    rmSync(destination, { recursive: true, force: true });
    const control = { client: world.client(), onProgress: () => {}, signal: new AbortController().signal };
    const request = { repository: RepositoryName.parse(repository), ref: "main", destination };
    await pullFiles(request, control, { cacheDir: join(world.folder, "engine"), useStatCache: false, threads: 0 });
    return snapshot(destination);
  }

  for (const [at, { name, missing, make }] of S3_CLIENTS.entries())
    test(`${name} uploads a tree, commits it, lists, reads ranges and all of it, and syncs what changed`, {
      skip: missing() ?? false,
    }, async () => {
      const client = make(access);
      const repository = `team/client-${at}`;
      const own = join(world.folder, `own-${at}`);
      makeTree(own);
      const expected = snapshot(own);
      await client.upload(own, repository);
      assert.deepEqual((await client.list(repository)).sort(), Object.keys(expected).sort(), "it sees what it put before the commit");
      await client.commit(repository, `by ${name}`);
      assert.deepEqual(await pulled(repository), expected, "ferry pull");
      const back = join(world.folder, `back-${at}`);
      mkdirSync(back);
      await client.download(`${repository}/main`, back);
      // Some clients make what they bring executable.
      assert.deepEqual(digests(snapshot(back)), digests(expected), "by the client itself");
      if (client.range !== null) {
        const { bytes } = hubFile(await fetchHub(`${repository}/resolve/main/model.safetensors`));
        const whole = Buffer.from(await bytes);
        const [from, to] = [whole.length - 9 * MiB - 3, whole.length - MiB + 5];
        assert.ok(
          (await client.range(`${repository}/main/model.safetensors`, from, to)).equals(whole.subarray(from, to)),
          "a range, as the Hub's door has it",
        );
      }
      changeTree(own);
      await client.sync(own, repository);
      await client.commit(repository, "changed");
      assert.deepEqual(await pulled(repository), snapshot(own), "after a sync");
      const { revisions } = await world.app.admin.call("listRevisions", { repository: RepositoryName.parse(repository), query: {} });
      assert.deepEqual(
        revisions.map(({ message }) => message.trim()),
        ["changed", `by ${name}`],
      );
      for (const folder of [own, back]) rmSync(folder, { recursive: true, force: true });
    });

  test("the same bytes again are not stored again, and a commit of nothing new is the revision that is there", async () => {
    const sent = async () => Number(await agent.metric("ferry_s3_taken_bytes_total"));
    const [client] = S3_CLIENTS.filter(({ name }) => name === "@aws-sdk/client-s3").map(({ make }) => make(access));
    assert.ok(client !== undefined);
    await client.upload(tree, "team/again");
    await client.commit("team/again", "first");
    const before = await sent();
    await client.upload(tree, "team/again");
    await client.commit("team/again", "second");
    assert.ok((await sent()) - before > (LARGE_MIB - 1) * MiB);
    const repository = RepositoryName.parse("team/again");
    const { revisions } = await world.app.admin.call("listRevisions", { repository, query: {} });
    assert.deepEqual(
      revisions.map(({ message }) => message),
      ["first"],
    );
    assert.equal(await agent.metric("ferry_s3_spool_bytes"), 0);
  });

  function fetchHub(path: string): Promise<Response> {
    return fetch(`${world.served.endpoint}/${path}`, { headers: { authorization: `Bearer ${world.token}` } });
  }

  function hubFile(response: Response): { bytes: Promise<ArrayBuffer> } {
    assert.equal(response.status, 200);
    return { bytes: response.arrayBuffer() };
  }
});

function digests(tree: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(tree).map(([path, told]) => [path, told.replace(/^\S+ /, "")]));
}

function makeTree(tree: string): void {
  const small: Record<string, string> = {
    "config.json": '{"layers":2}',
    "empty.txt": "",
    "a b/plus+and&more.txt": "words",
    "a b/deep/模型.txt": "模",
  };
  for (const [path, text] of Object.entries(small)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text);
  }
  const half = (LARGE_MIB / 2) * MiB;
  writeSafetensors(join(tree, "model.safetensors"), {
    a: { sizeBytes: half, seed: "s3 a" },
    b: { sizeBytes: half - 12_345, seed: "s3 b" },
  });
}

function changeTree(tree: string): void {
  rmSync(join(tree, "a b/deep"), { recursive: true });
  writeFileSync(join(tree, "config.json"), '{"layers":3, "more":1}');
  writeFileSync(join(tree, "new.txt"), "new");
}
