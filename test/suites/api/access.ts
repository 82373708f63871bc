/** Who may do what: tokens, identities, people, blocks, the trail. */
import assert from "node:assert/strict";
import { Scope } from "../../../shared/contract/access.ts";
import { RepositoryGlob } from "../../../shared/names.ts";
import { operationId } from "../../support/memory-app.ts";
import { digestOf } from "../../support/pusher.ts";
import type { Guarantees } from "./api.ts";

const AUDIENCE = "modelferry";
const scope = (repositories: string, ...actions: string[]) => Scope.parse({ repositories, actions });

export const ACCESS: Guarantees = {
  "a token does what its scope says, and nothing after it was revoked": async (world) => {
    const repository = await world.repositoryWith("scoped", { text: "scoped" });
    const body = { name: "reader", scopes: [scope("api/scoped", "pull")] };
    const { token } = await world.admin.call("createToken", { body });
    const reader = world.clientFor(token);
    assert.deepEqual((await reader.call("whoAmI", {})).scopes, body.scopes);
    await reader.call("manifest", { repository, params: { ref: "main" } });
    const upload = { repository, body: { branch: "main", operationId: operationId() } as never };
    await assert.rejects(reader.call("openUpload", upload), { code: "PERMISSION_DENIED" });
    const { repositories } = await reader.call("listRepositories", { query: {} });
    assert.deepEqual(
      repositories.map((one) => one.repository),
      [repository],
    );
    // A token that was used a moment ago may be remembered for a minute; one that was not ends at once.
    const other = await world.admin.call("createToken", { body });
    await world.admin.call("revokeToken", { params: { id: other.description.id } });
    await assert.rejects(world.clientFor(other.token).call("whoAmI", {}), { code: "TOKEN_INVALID" });
  },

  "a rotated token's old secret ends, the new one goes on": async (world) => {
    const body = { name: "rotated", scopes: [scope("api/*", "pull")] };
    const { token, description } = await world.admin.call("createToken", { body });
    const rotated = await world.admin.call("rotateToken", { params: { id: description.id }, body: {} });
    await assert.rejects(world.clientFor(token).call("whoAmI", {}), { code: "TOKEN_INVALID" });
    assert.equal((await world.clientFor(rotated.token).call("whoAmI", {})).id, description.id);
    const { tokens } = await world.admin.call("listTokens", {});
    assert.ok(tokens.some(({ id, rotatedAt }) => id === description.id && rotatedAt !== null));
  },

  "an identity of an issuer that is trusted becomes a short token; any other does not": async (world) => {
    const nowSeconds = Math.floor(world.nowMs() / 1_000);
    const claims = { iss: world.issuer.issuer, aud: AUDIENCE, sub: "runner", iat: nowSeconds, exp: nowSeconds + 600 };
    const exchange = async (change: object) => {
      const token = await world.issuer.sign({ ...claims, ...change });
      return world.clientFor(undefined).call("exchangeIdentity", { body: { token } });
    };
    const { token } = await exchange({});
    assert.equal((await world.clientFor(token).call("whoAmI", {})).kind, "identity");
    for (const change of [{ sub: "stranger" }, { aud: "another" }, { exp: nowSeconds - 600, iat: nowSeconds - 1_200 }])
      await assert.rejects(exchange(change), { code: "IDENTITY_INVALID" });
  },

  "people get roles, and lose them": async (world) => {
    const who = { claim: "email" as const, value: "ada@example.com", role: "reader" as const };
    const body = { ...who, repositories: RepositoryGlob.parse("api/*"), operationId: operationId() };
    const { id } = await world.admin.call("grantUser", { body });
    const listed = async () => (await world.admin.call("listUserGrants", {})).grants.map((grant) => grant.id);
    assert.deepEqual(await listed(), [id]);
    await world.admin.call("revokeUserGrant", { params: { id }, query: { operationId: operationId() } });
    assert.deepEqual(await listed(), []);
  },

  "nothing of a blocked repository is downloaded until it is unblocked": async (world) => {
    const repository = await world.repositoryWith("blocked", { text: "blocked" });
    const download = () =>
      world.admin.call("download", { repository, params: { ref: "main" }, body: { chunks: [digestOf("blocked")] } as never });
    await world.admin.call("blockRepository", { repository, body: { reason: "leaked", operationId: operationId() } });
    await assert.rejects(download(), { code: "REPOSITORY_BLOCKED" });
    await world.admin.call("unblockRepository", { repository, query: { operationId: operationId() } });
    assert.equal((await download()).items.length, 1);
  },

  "the trail tells who was refused what, and its batches are there to be checked": async (world) => {
    const repository = await world.repositoryWith("watched", { text: "watched" });
    const body = { name: "curious", scopes: [scope("api/none", "pull")] };
    const { token } = await world.admin.call("createToken", { body });
    await assert.rejects(world.clientFor(token).call("describeRepository", { repository }), { code: "REPOSITORY_UNKNOWN" });
    // A refusal is in the trail before it is answered.
    const { events } = await world.admin.call("listAudit", { query: { caller: "curious", limit: 100 } as never });
    assert.deepEqual(
      events.map(({ act, result }) => [act, result]),
      [["describeRepository", "REPOSITORY_UNKNOWN"]],
    );
    const { batches } = await world.admin.call("readAuditBatches", { query: {} });
    assert.ok(batches.length > 0);
    await world.admin.call("readAuditSeals", { query: {} });
  },
};
