/** Where a repository's revisions are: which stores hold them, which nodes are warm. */
import type { SyncStatus } from "../../../../../shared/contract/replication.ts";
import type { WarmupSummary } from "../../../../../shared/contract/warm.ts";
import { useLoad } from "../../core/load.ts";
import { session } from "../../core/session.ts";
import { isAdmin } from "../../core/usage.ts";
import { t } from "../../core/words.ts";
import { useNews } from "../../live/news.ts";
import { Badge, Bar, type Column, Id, Loaded, Section, Table, Time } from "../../parts/basics.tsx";
import { WARM_KINDS } from "../../parts/heat-map.tsx";
import { REPLICA_KINDS } from "../../parts/store-matrix.tsx";
import type { TabProps } from "./repository.tsx";

type Row = SyncStatus["replicas"][number];

export function WhereTab({ repository: { repository, seq } }: TabProps) {
  const now = session.value;
  const warm = useLoad((client, signal) => client.call("listWarmups", { repository }, signal), [repository]);
  useNews(["warmup."], warm.reload, repository);
  return (
    <>
      {now.is === "in" && isAdmin(now.me) && <Replicas repository={repository} seq={seq} />}
      <Section title={t("warmups")}>
        <Loaded of={warm}>
          {({ warmups }) => (
            <Table caption={t("warmups")} columns={WARMUPS()} rows={warmups} keyOf={({ id }) => id} empty={t("warmups.none")} />
          )}
        </Loaded>
      </Section>
    </>
  );
}

function Replicas({ repository, seq }: { repository: TabProps["repository"]["repository"]; seq: number }) {
  const status = useLoad((client, signal) => client.call("syncStatus", { query: { repository } }, signal), [repository, seq]);
  useNews(["replica."], status.reload, repository);
  return (
    <Section title={t("replicas")}>
      <Loaded of={status}>
        {({ replicas }) => (
          <Table
            caption={t("replicas")}
            columns={matrix(replicas)}
            rows={replicas}
            keyOf={({ revision }) => revision}
            empty={t("replicas.none")}
          />
        )}
      </Loaded>
    </Section>
  );
}

/** A column for each store. */
function matrix(rows: readonly Row[]): Column<Row>[] {
  const stores = [...new Set(rows.flatMap((row) => row.stores.map(({ store }) => store as string)))].sort();
  return [
    { title: t("ref"), wide: true, cell: ({ refs }) => refs.join(", ") },
    { title: t("revision"), cell: ({ revision }) => <Id id={revision} /> },
    ...stores.map((name): Column<Row> => {
      return {
        title: name,
        cell: (row) => {
          const at = row.stores.find(({ store }) => store === name);
          return at !== undefined && <Badge kind={REPLICA_KINDS[at.state]}>{t(`replica.${at.state}`)}</Badge>;
        },
      };
    }),
  ];
}

const WARMUPS = (): Column<WarmupSummary>[] => [
  { title: t("ref"), wide: true, cell: ({ ref }) => ref },
  { title: t("revision"), cell: ({ revision }) => <Id id={revision} /> },
  { title: t("nodes.group"), cell: ({ group }) => group },
  { title: t("state"), cell: ({ state }) => <Badge kind={WARM_KINDS[state]}>{t(`warmup.${state}`)}</Badge> },
  { title: t("warmups.ready"), cell: ({ nodesReady, nodesTarget }) => `${nodesReady} / ${nodesTarget}` },
  {
    title: t("progress"),
    cell: ({ nodesReady, nodesTarget }) => <Bar share={nodesTarget === 0 ? 0 : nodesReady / nodesTarget} label={t("progress")} />,
  },
  { title: t("collect.startedAt"), cell: ({ startedAt }) => <Time at={startedAt} ago /> },
];
