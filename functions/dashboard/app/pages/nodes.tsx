/** Agents: the machines that cache chunks, and how full they are. */

import { useState } from "preact/hooks";
import type { AgentList } from "../../../../shared/contract/agents.ts";
import { useAgain, useLoad } from "../core/load.ts";
import { refine } from "../core/route.ts";
import { numberText, percentText } from "../core/text.ts";
import { t } from "../core/words.ts";
import { useNews } from "../live/news.ts";
import { Bar, Bytes, type Column, Loaded, Page, Section, Table, Time } from "../parts/basics.tsx";
import { Choice, Pager } from "../parts/forms.tsx";
import { HeatMap } from "../parts/heat-map.tsx";
import type { PageProps } from "./navigation.ts";

type Agent = AgentList["agents"][number];

/** A group may have 1,000. */
const PAGE_ROWS = 100;
const AGAIN_MS = 10_000;

export default function Nodes({ query }: PageProps) {
  const group = query.get("group") ?? "default";
  const [page, setPage] = useState(0);
  const agents = useLoad(
    async (client, signal) => (await client.call("listAgents", { query: { group } }, signal)).agents.sort((a, b) => (a.id < b.id ? -1 : 1)),
    [group],
  );
  const map = useLoad((client, signal) => client.call("warmMap", { query: { group } }, signal), [group]);
  useAgain(agents.reload, AGAIN_MS);
  useAgain(map.reload, AGAIN_MS);
  useNews(["warmup."], map.reload);
  return (
    <Page title={t("nav.nodes")} lead={t("nodes.lead")}>
      <Loaded of={map}>
        {(found) => (
          <>
            <Choice
              label={t("nodes.group")}
              value={group}
              of={[...new Set(["default", ...found.groups, group])].map((name) => [name, name])}
              onChange={(chosen) => {
                setPage(0);
                refine({ group: chosen });
              }}
            />
            <Section title={t("heat.title")}>
              <HeatMap of={found} />
            </Section>
          </>
        )}
      </Loaded>
      <Loaded of={agents}>
        {(found) => (
          <>
            <p>{t("nodes.count", { count: numberText(found.length) })}</p>
            <Table
              caption={t("nav.nodes")}
              columns={COLUMNS()}
              rows={found.slice(page * PAGE_ROWS, (page + 1) * PAGE_ROWS)}
              keyOf={({ id }) => id}
              empty={t("nodes.none")}
            />
            <Pager
              next={(page + 1) * PAGE_ROWS < found.length ? "more" : null}
              before={Array.from({ length: page }, () => "more")}
              onGo={(steps) => setPage(steps.length)}
            />
          </>
        )}
      </Loaded>
    </Page>
  );
}

const COLUMNS = (): Column<Agent>[] => [
  { title: t("node"), wide: true, cell: ({ id }) => <code>{id}</code> },
  { title: t("nodes.zone"), cell: ({ zone }) => zone },
  { title: t("nodes.address"), cell: ({ address }) => address },
  {
    title: t("nodes.cache"),
    cell: ({ bytes, maxBytes, id }) => <Bar share={maxBytes === 0 ? 0 : bytes / maxBytes} label={`${t("nodes.cache")} ${id}`} />,
  },
  {
    title: t("nodes.full"),
    right: true,
    cell: ({ bytes, maxBytes }) => (
      <span>
        <Bytes of={bytes} /> ({percentText(maxBytes === 0 ? 0 : bytes / maxBytes)})
      </span>
    ),
  },
  { title: t("chunks"), right: true, cell: ({ chunks }) => numberText(chunks) },
  { title: t("settings.version"), cell: ({ version }) => version },
  { title: t("nodes.seenAt"), cell: ({ seenAt }) => <Time at={seenAt} ago /> },
];
