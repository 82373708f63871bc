/** Who did what: the audit trail, filtered, a page at a time. */
import { useState } from "preact/hooks";
import type * as z from "zod";
import type { AuditEvent } from "../../../../shared/contract/audit.ts";
import { useLoad } from "../core/load.ts";
import { refine } from "../core/route.ts";
import { t, type Word } from "../core/words.ts";
import { Badge, Button, type Column, Loaded, Notice, Page, Table, Time } from "../parts/basics.tsx";
import { Field, Form, Pager } from "../parts/forms.tsx";
import type { PageProps } from "./navigation.ts";

type Event = z.infer<typeof AuditEvent>;

const LIMIT = 100;
const FILTERS = [
  ["caller", "audit.caller"],
  ["repository", "repository"],
  ["act", "audit.act"],
  ["result", "audit.result"],
  ["since", "audit.since"],
  ["until", "audit.until"],
] as const satisfies readonly (readonly [string, Word])[];

export default function Audit({ query }: PageProps) {
  const filters = Object.fromEntries(FILTERS.map(([name]) => [name, query.get(name) ?? ""]).filter(([, value]) => value !== ""));
  const before = (query.get("after") ?? "").split("|").filter((cursor) => cursor !== "");
  const cursor = before.at(-1);
  const page = useLoad(
    (client, signal) =>
      client.call("listAudit", { query: { ...filters, limit: LIMIT, ...(cursor === undefined ? {} : { cursor }) } }, signal),
    [JSON.stringify(filters), cursor],
  );
  return (
    <Page title={t("nav.audit")} lead={t("audit.lead")}>
      <Filters query={query} />
      <Loaded of={page}>
        {({ events, damaged, next }) => (
          <>
            {damaged.length > 0 && <Notice kind="warn">{t("audit.damaged", { count: damaged.length })}</Notice>}
            <Table
              caption={t("nav.audit")}
              columns={COLUMNS()}
              rows={events}
              keyOf={({ requestId, at, act }) => `${at} ${requestId} ${act}`}
            />
            <Pager next={next} before={before} onGo={(cursors) => refine({ after: cursors.join("|") })} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Filters({ query }: { query: URLSearchParams }) {
  const [typed, setTyped] = useState<Record<string, string>>(Object.fromEntries(FILTERS.map(([name]) => [name, query.get(name) ?? ""])));
  return (
    <Form onSend={() => refine({ ...typed, after: undefined })}>
      <div class="fields">
        {FILTERS.map(([name, word]) => (
          <Field key={name} label={t(word)} value={typed[name] ?? ""} onInput={(value) => setTyped({ ...typed, [name]: value.trim() })} />
        ))}
        <Button type="submit">{t("audit.filter")}</Button>
      </div>
      <p class="hint">{t("audit.hint")}</p>
    </Form>
  );
}

const COLUMNS = (): Column<Event>[] => [
  { title: t("time"), cell: ({ at }) => <Time at={at} /> },
  { title: t("audit.caller"), cell: ({ caller }) => (caller === null ? "" : <span title={caller.id}>{caller.name}</span>) },
  { title: t("audit.act"), cell: ({ act }) => <code>{act}</code> },
  { title: t("repository"), cell: ({ repository }) => repository },
  {
    title: t("audit.about"),
    wide: true,
    cell: ({ about }) =>
      Object.entries(about)
        .map(([key, value]) => `${key}=${value}`)
        .join(" "),
  },
  { title: t("audit.result"), cell: ({ result }) => <Badge kind={result === "OK" ? "good" : "bad"}>{result}</Badge> },
  { title: t("audit.address"), cell: ({ address }) => address },
];
