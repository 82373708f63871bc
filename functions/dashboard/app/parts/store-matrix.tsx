/** Which ref is in which store: a page of repositories, each with a row for each of its refs and a column for each store. */
import type { FerryClient } from "../../../../shared/client.ts";
import type { SyncStatus } from "../../../../shared/contract/replication.ts";
import type { RepositoryName } from "../../../../shared/names.ts";
import { to } from "../core/address.ts";
import { useLoad } from "../core/load.ts";
import { t } from "../core/words.ts";
import { useNews } from "../live/news.ts";
import { Badge, type Column, Id, Loaded, Table } from "./basics.tsx";
import { Pager } from "./forms.tsx";

/** Questions at a time: each lists the stores. */
const WIDTH = 4;
const REFS_MAX = 5;

export const REPLICA_KINDS = { absent: "plain", copying: "warn", retrying: "warn", failed: "bad", ready: "good" } as const;

type Row = { repository: RepositoryName } & SyncStatus["replicas"][number];
type Found = { rows: Row[]; stores: string[]; next: string | null };

/** `limit`: repositories of a page; `onGo` null: only the first page is shown. */
export function StoreMatrix({ limit, before, onGo }: { limit: number; before: string[]; onGo: ((before: string[]) => void) | null }) {
  const cursor = before.at(-1);
  const found = useLoad((client, signal) => readMatrix(client, limit, cursor, signal), [limit, cursor]);
  useNews(["replica.", "tag.", "repository.", "revision.committed"], found.reload);
  return (
    <Loaded of={found}>
      {({ rows, stores, next }) => (
        <>
          <Table
            caption={t("matrix.title")}
            columns={columnsOf(stores)}
            rows={rows}
            keyOf={({ repository, revision }) => `${repository} ${revision}`}
            empty={t("matrix.none")}
          />
          {onGo !== null && <Pager next={next} before={before} onGo={onGo} />}
        </>
      )}
    </Loaded>
  );
}

function columnsOf(stores: readonly string[]): Column<Row>[] {
  return [
    {
      title: t("repository"),
      wide: true,
      cell: ({ repository, refs }) => (
        <a href={to(["repositories", ...repository.split("/"), "where"])}>{`${repository}@${refs.slice(0, REFS_MAX).join(", ")}`}</a>
      ),
    },
    { title: t("revision"), cell: ({ revision }) => <Id id={revision} /> },
    ...stores.map((name): Column<Row> => {
      return { title: name, cell: (row) => <Cell of={row.stores.find(({ store }) => store === name)} /> };
    }),
  ];
}

function Cell({ of }: { of: Row["stores"][number] | undefined }) {
  if (of === undefined || (of.state === "absent" && !of.wanted)) return <span class="faint">–</span>;
  return <Badge kind={of.state === "absent" ? "warn" : REPLICA_KINDS[of.state]}>{t(`replica.${of.state}`)}</Badge>;
}

/** Revisions that no ref names are left out: their repository's own page has them. */
async function readMatrix(client: FerryClient, limit: number, cursor: string | undefined, signal: AbortSignal): Promise<Found> {
  const query = { limit, ...(cursor === undefined ? {} : { cursor }) };
  const { repositories, next } = await client.call("listRepositories", { query }, signal);
  const names = repositories.map(({ repository }) => repository);
  const rows: Row[][] = names.map(() => []);
  let at = 0;
  const work = async () => {
    for (let mine = at++; mine < names.length; mine = at++) {
      const repository = names[mine];
      if (repository === undefined) return;
      const { replicas } = await client.call("syncStatus", { query: { repository } }, signal);
      rows[mine] = replicas.filter(({ refs }) => refs.length > 0).map((row) => ({ repository, ...row }));
    }
  };
  await Promise.all(Array.from({ length: WIDTH }, work));
  const all = rows.flat();
  return { rows: all, stores: [...new Set(all.flatMap((row) => row.stores.map(({ store }) => store as string)))].sort(), next };
}
