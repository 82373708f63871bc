/** Repositories in the trash: back again, or gone for good. */
import type { TrashPage } from "../../../../shared/contract/lifecycle.ts";
import { TRASH_DAYS } from "../../../../shared/contract/lifecycle.ts";
import { useLoad } from "../core/load.ts";
import { refine } from "../core/route.ts";
import { operationId } from "../core/session.ts";
import { t } from "../core/words.ts";
import { useNews } from "../live/news.ts";
import { type Column, Loaded, Page, Table, Time } from "../parts/basics.tsx";
import { Ask, Pager } from "../parts/forms.tsx";
import type { PageProps } from "./navigation.ts";

type Row = TrashPage["repositories"][number];

export default function Trash({ query }: PageProps) {
  const before = (query.get("after") ?? "").split("|").filter((cursor) => cursor !== "");
  const cursor = before.at(-1);
  const page = useLoad(
    (client, signal) => client.call("listTrash", { query: { limit: 50, ...(cursor === undefined ? {} : { cursor }) } }, signal),
    [cursor],
  );
  useNews(["repository."], page.reload);
  return (
    <Page title={t("nav.trash")} lead={t("trash.lead", { days: TRASH_DAYS })}>
      <Loaded of={page}>
        {({ repositories, next }) => (
          <>
            <Table
              caption={t("nav.trash")}
              columns={columnsOf(page.reload)}
              rows={repositories}
              keyOf={({ id }) => id}
              empty={t("trash.none")}
            />
            <Pager next={next} before={before} onGo={(cursors) => refine({ after: cursors.join("|") })} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

function columnsOf(reload: () => void): Column<Row>[] {
  return [
    { title: t("repository"), wide: true, cell: ({ repository }) => repository },
    { title: t("trash.deletedAt"), cell: ({ deletedAt }) => <Time at={deletedAt} ago /> },
    { title: t("trash.deletedBy"), cell: ({ deletedBy }) => deletedBy },
    { title: t("trash.purgeableAt"), cell: ({ purgeableAt }) => <Time at={purgeableAt} ago /> },
    { title: t("acts"), cell: (row) => <Acts row={row} reload={reload} /> },
  ];
}

function Acts({ row, reload }: { row: Row; reload: () => void }) {
  return (
    <div class="actions">
      <Ask
        open={t("restore")}
        title={t("trash.restore.title", { repository: row.repository })}
        act={t("restore")}
        onAct={async (client) => {
          await client.call("restoreRepository", { params: { id: row.id }, body: { operationId: operationId() } });
        }}
        onDone={reload}
      >
        <p>{t("trash.restore.text")}</p>
      </Ask>
      <Ask
        open={t("purge")}
        title={t("trash.purge.title", { repository: row.repository })}
        act={t("purge")}
        kind="danger"
        onAct={async (client) => {
          await client.call("purgeRepository", { params: { id: row.id }, body: { now: true, operationId: operationId() } });
        }}
        onDone={reload}
      >
        <p>{t("trash.purge.text")}</p>
      </Ask>
    </div>
  );
}
