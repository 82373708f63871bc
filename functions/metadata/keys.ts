/**
 * Every Redis key, below `mf:<generation>:`. Nobody else spells one. A new generation is a new, empty index beside the old one.
 *
 *   sys                         hash     head of the system log's index: seq, hash, replayTo, mark:names, mark:tokens,
 *                                        r0 … r255 (ring of operations: <seq>:<operationId>), K:<key id> → entry,
 *                                        X:<key id> → when it was revoked, G:<grant id> → entry
 *   sys:names                   hash     #, n:<name> → summary, i:<repository id> → name, b:<blocked repository id>,
 *                                        m:<former name> → repository id;
 *                                        in the trash: t:<repository id> → entry
 *   sys:order                   zset     !<mark>, n:<name>, t:<repository id>; all with score 0, so in order of their bytes
 *   sys:tokens                  hash     #, count, t:<token id> → entry, h:<hash of a secret> → token id, k:<1 … count> → token id
 *   repo:<id>                   hash     head of a repository's index: as `sys`, mark:revisions, revisionCount,
 *                                        b:<branch> → revision, t:<tag> → <revision>:<seq>, l:<locked tag>, d:<revision> → stores,
 *                                        settings, usage, ended
 *   repo:<id>:revisions         hash     #, <revision> → entry, e:<attempt> → <seq that names it>[ <seq that ended it>],
 *                                        s:<manifest> → signatures, a line each
 *   repo:<id>:order             zset     !<mark>, :<seq12>:<revision> and <branch>:<seq12>:<revision>; all with score 0
 *   chunks:<hex digit>          hash     <sha256, base64url> → entry of 28 characters; 16 shards by the digest's first digit
 *   chunks-of:<store>:<hex digit>   hash  the same for a store that is not home
 *   work:<store>:jobs           hash     <job> → plan, <job>:copy, :count, :left, :bytes, :failures, :problem    (docs/decisions/0017)
 *   work:<store>:queue          zset     <job>:<n>, scored by when it may be given out: its rank, or a time in ms
 *   work:<store>:tasks          hash     #, <job>:<n> → <fence>|<failures>|<bytes>|<places> or "done"
 *   events                      stream   e: an event as JSON; the newest thousands
 *   counters                    hash     <metric>{<labels>} → count
 *   hooks:queue                 zset     <delivery>, scored by when it is due in ms
 *   hooks:deliveries            hash     <delivery> → what it is as JSON, <delivery>:s → <fence>|<attempts>|<state>|<last attempt>
 *   hooks:of:<webhook>          zset     <delivery>, scored by when it was made in ms; the newest thousands
 *   hooks:came:<id>             string   busy, done: a message that came in                       two minutes, a day
 *   upload:<id>                 hash     <sha256, base64url> → proof of 24 characters           24 h after the last touch
 *   upload:<id>:recipes         set      <sha256, base64url>                                     with upload:<id>
 *   upload-of:<repository id>:<branch>:<principal>   string   the unfinished upload              24 h after the last touch
 *   uploads-of:<principal>      zset     <repository id>:<branch>, scored by when it was begun in ms 24 h after the last one
 *   lease:<name>                string   <number>:<owner>                                        as long as it was claimed for
 *   lease:<name>:fence          string   number of the newest claim; no lease's name holds a colon
 *   board:<name>                hash     <name> → text: agents and warm-ups (registry/warm/boards.ts)   its writer's time
 *   note:<name>                 string   what recovery knows of this index
 *
 *   uses                        hash     <token id> → time of the last use in ms, of the last hour's first
 *   short:<sha256>              string   the caller behind a short token                         as long as the token lives
 *   meter:<what>:<whose>        string   when the bucket will be full again, in ms               until it is full
 *
 * Marks. A managed Redis may lose keys one by one, or bring older copies back (Upstash: the last writer of a key wins). So every key of
 * a log's index carries the seq of the last record that changed it (`#` in a hash, the member `!<seq>` in a zset), and the head says
 * which seq it expects there. What an index holds follows from the log alone, so equal marks mean equal content. All keys of one index
 * are known from its id, so that one script can check or drop them together.
 */
import type { RepositoryId } from "../../shared/contract/repositories.ts";
import type { UploadKey } from "../registry/ports.ts";

export type Keys = ReturnType<typeof keysOf>;

/** @param generation letters and digits; chosen by the deployment's settings. */
export function keysOf(generation: string) {
  const prefix = `mf:${generation}:`;
  return {
    system: { head: `${prefix}sys`, names: `${prefix}sys:names`, order: `${prefix}sys:order`, tokens: `${prefix}sys:tokens` },
    repository(id: RepositoryId) {
      const head = `${prefix}repo:${id}`;
      return { head, revisions: `${head}:revisions`, order: `${head}:order` };
    },
    /** @param digit first hex digit of the digests that live there */
    chunks: (digit: string) => `${prefix}chunks:${digit}`,
    chunksOf: (store: string, digit: string) => `${prefix}chunks-of:${store}:${digit}`,
    work(store: string) {
      const work = `${prefix}work:${store}`;
      return { jobs: `${work}:jobs`, queue: `${work}:queue`, tasks: `${work}:tasks` };
    },
    events: `${prefix}events`,
    counters: `${prefix}counters`,
    hooks: {
      queue: `${prefix}hooks:queue`,
      deliveries: `${prefix}hooks:deliveries`,
      of: (webhook: string) => `${prefix}hooks:of:${webhook}`,
      came: (id: string) => `${prefix}hooks:came:${id}`,
    },
    upload(uploadId: string) {
      const proofs = `${prefix}upload:${uploadId}`;
      return { proofs, recipes: `${proofs}:recipes` };
    },
    lease(name: string) {
      const lease = `${prefix}lease:${name}`;
      return { lease, fence: `${lease}:fence` };
    },
    board: (name: string) => `${prefix}board:${name}`,
    note: (name: string) => `${prefix}note:${name}`,
    uploadsOf: (principal: string) => `${prefix}uploads-of:${principal}`,
    uses: `${prefix}uses`,
    shortToken: (hash: string) => `${prefix}short:${hash}`,
    meter: (bucket: string) => `${prefix}meter:${bucket}`,
    /** The principal comes last and the other two hold no colon, so no two of these are spelled alike. */
    uploadOf: ({ repositoryId, branch, principal }: UploadKey) => `${prefix}upload-of:${repositoryId}:${branch}:${principal}`,
  };
}
