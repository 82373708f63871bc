/** The two kinds of log: the deployment's own, and one for each repository. */
import type { RepositoryId } from "../../shared/contract/repositories.ts";
import { repositoryLogKey, repositoryLogPrefix, SYSTEM_LOG_PREFIX, systemLogKey } from "./layout.ts";
import type { Log } from "./log.ts";
import type { Ports } from "./ports.ts";
import { decodeRecord, RepositoryRecord, SystemRecord } from "./records.ts";

export function systemLog(ports: Ports): Log<SystemRecord> {
  return {
    name: "the deployment",
    clock: ports.clock,
    bucket: ports.stores.home.bucket,
    cache: ports.cache,
    prefix: SYSTEM_LOG_PREFIX,
    key: systemLogKey,
    decode: (bytes, key) => decodeRecord(SystemRecord, bytes, key),
    index: ports.system,
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
    index: {
      head: () => index.head(id),
      begin: (tailSeq) => index.begin(id, tailSeq),
      apply: (record, hash) => index.apply(record, hash),
      findOperation: (operationId) => index.findOperation(id, operationId),
    },
  };
}
