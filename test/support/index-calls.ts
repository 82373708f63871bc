/** Every call of the index ports, by name: for tests of what all of them do when Redis does not answer as it should. */
import type { Caller } from "../../functions/registry/ports.ts";
import type { Indexes } from "../suites/metadata.ts";
import {
  attemptOf,
  commit,
  create,
  digestOf,
  nameOf,
  operationOf,
  refOf,
  repositoryChain,
  repositoryIdOf,
  revisionOf,
  systemChain,
} from "./chain.ts";
import { chunkEntry, proofOf, UPLOAD, UPLOAD_KEY } from "./index-values.ts";

/** Texts that a call of these sends, and that must not come back in an error. */
export const SENT = [
  "team/llama",
  digestOf("one"),
  UPLOAD,
  "text-of-an-upload",
  UPLOAD_KEY.principal,
  "owner-of-a-lease",
  "text-of-a-note",
  "name-of-a-caller",
  "name-of-a-bucket",
];

const CALLER: Caller = { tokenId: "0".repeat(16), name: "name-of-a-caller", kind: "identity", scopes: [], networks: [], expiresAt: null };

export async function indexCalls({
  system,
  repositories,
  chunks,
  uploads,
  leases,
  uses,
  shortTokens,
  meters,
  notes,
}: Omit<Indexes, "loseKey">) {
  const id = repositoryIdOf("team/llama");
  const created = await systemChain().add(create("team/llama"));
  const committed = await repositoryChain().add(commit(id, "main", "c1"));
  const digest = digestOf("one");
  const calls: Record<string, () => Promise<unknown>> = {
    "system.head": () => system.head(),
    "system.begin": () => system.begin(1),
    "system.apply": () => system.apply(created.record, created.hash),
    "system.applyMany": () => system.applyMany([created]),
    "system.findRepository": () => system.findRepository(nameOf("team/llama")),
    "system.namesOf": () => system.namesOf([id]),
    "system.listRepositories": () => system.listRepositories({ limit: 10 }),
    "system.findMoved": () => system.findMoved(nameOf("team/llama")),
    "system.findTrashed": () => system.findTrashed(id),
    "system.listTrash": () => system.listTrash({ limit: 10 }),
    "system.findToken": () => system.findToken(digest),
    "system.findTokenById": () => system.findTokenById("0".repeat(16)),
    "system.listTokens": () => system.listTokens(),
    "system.findOperation": () => system.findOperation(operationOf("system", 1)),
    "repositories.head": () => repositories.head(id),
    "repositories.heads": () => repositories.heads([id, id]),
    "repositories.begin": () => repositories.begin(id, 1),
    "repositories.apply": () => repositories.apply(committed.record, committed.hash),
    "repositories.applyMany": () => repositories.applyMany([committed]),
    "repositories.refs": () => repositories.refs(id),
    "repositories.envelopeFate": () => repositories.envelopeFate(id, attemptOf("c1")),
    "repositories.findRevision": () => repositories.findRevision(id, revisionOf("c1")),
    "repositories.resolveName": () => repositories.resolveName(id, refOf("main")),
    "repositories.listRevisions": () => repositories.listRevisions(id, { limit: 10 }),
    "repositories.findOperation": () => repositories.findOperation(id, operationOf("repository", 1)),
    "chunks.find": () => chunks.find([digest, digestOf("two")]),
    "chunks.add": () => chunks.add([chunkEntry("one"), chunkEntry("two")]),
    "chunks.addMissing": () => chunks.addMissing([chunkEntry("one"), chunkEntry("two")]),
    "chunks.clear": () => chunks.clear(),
    "chunks.remove": () => chunks.remove([chunkEntry("one"), chunkEntry("two")]),
    "uploads.proofs": () => uploads.proofs(UPLOAD, [digest]),
    "uploads.record": () => uploads.record(UPLOAD, new Map([[digest, proofOf("one")]])),
    "uploads.addRecipes": () => uploads.addRecipes(UPLOAD, [digest]),
    "uploads.missingRecipes": () => uploads.missingRecipes(UPLOAD, [digest]),
    "uploads.current": () => uploads.current(UPLOAD_KEY),
    "uploads.remember": () => uploads.remember(UPLOAD_KEY, "text-of-an-upload", 0, 10),
    "uploads.forget": () => uploads.forget(UPLOAD_KEY),
    "uses.note": () => uses.note("0".repeat(16), 0),
    "uses.lastUsed": () => uses.lastUsed(["0".repeat(16)]),
    "shortTokens.keep": () => shortTokens.keep(digest, CALLER, 60),
    "shortTokens.find": () => shortTokens.find(digest),
    "meters.take": () => meters.take([{ bucket: "name-of-a-bucket", perMinute: 1, least: 1, most: 1 }], 0),
    "leases.acquire": () => leases.acquire("collect", "owner-of-a-lease", 60_000),
    "leases.release": () => leases.release("collect", "owner-of-a-lease"),
    "notes.read": () => notes.read("sound"),
    "notes.swap": () => notes.swap("sound", null, "text-of-a-note"),
  };
  return Object.entries(calls).map(([name, call]) => ({ name, call }));
}
