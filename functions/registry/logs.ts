/** The two kinds of log: the deployment's own, and one for each repository. */
import type { RepositoryId } from "../../shared/contract/repositories.ts";
import { repositoryLogKey, repositoryLogPrefix, SYSTEM_LOG_PREFIX, systemLogKey } from "./layout.ts";
import { type Log, withWhole } from "./log.ts";
import type { Ports } from "./ports.ts";
import { decodeRecord, RepositoryRecord, SystemRecord } from "./records.ts";
import { markRecent } from "./recovery/recent.ts";
import { demandHome } from "./replicate/follow.ts";

export function systemLog(ports: Ports): Log<SystemRecord> {
  return {
    name: "the deployment",
    clock: ports.clock,
    bucket: ports.stores.home.bucket,
    cache: ports.cache,
    prefix: SYSTEM_LOG_PREFIX,
    key: systemLogKey,
    decode: (bytes, key) => decodeRecord(SystemRecord, bytes, key),
    admit: () => demandHome(ports),
    index: {
      head: () => ports.system.head(),
      begin: (tailSeq) => ports.system.begin(tailSeq),
      apply: (record, hash) => ports.system.apply(record, hash),
      applyMany: (records) => ports.system.applyMany(records),
      findOperation: (operationId, atLeastSeq) => ports.system.atLeast(atLeastSeq).findOperation(operationId),
    },
    fenced: (seq) => ({ ...ports, system: ports.system.atLeast(seq) }),
  };
}

export function repositoryLog(ports: Ports, id: RepositoryId): Log<RepositoryRecord> {
  const index = ports.repositories;
  return {
    name: id,
    clock: ports.clock,
    bucket: ports.stores.home.bucket,
    cache: ports.cache,
    prefix: repositoryLogPrefix(id),
    key: (seq) => repositoryLogKey(id, seq),
    decode: (bytes, key) => decodeRecord(RepositoryRecord, bytes, key),
    admit: () => withWhole(systemLog(ports), () => demandHome(ports)),
    mark: (seq) => markRecent(ports, id, seq),
    index: {
      head: () => index.head(id),
      begin: (tailSeq) => index.begin(id, tailSeq),
      apply: (record, hash) => index.apply(record, hash),
      applyMany: (records) => index.applyMany(records),
      findOperation: (operationId, atLeastSeq) => index.atLeast(atLeastSeq).findOperation(id, operationId),
    },
    fenced: (seq) => ({ ...ports, repositories: index.atLeast(seq) }),
  };
}
