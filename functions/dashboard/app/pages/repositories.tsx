/** Repositories: a page of a list that may be long, a search through all of it, and one repository. */
import { useState } from "preact/hooks";
import type { FerryClient } from "../../../../shared/client.ts";
import type { RepositorySummary } from "../../../../shared/contract/repositories.ts";
import { RepositoryName } from "../../../../shared/names.ts";
import { to } from "../core/address.ts";
import { useLoad } from "../core/load.ts";
import { go, refine } from "../core/route.ts";
import { operationId } from "../core/session.ts";
import { t } from "../core/words.ts";
import { useNews } from "../live/news.ts";
import { Badge, type Column, Loaded, Page, Table, Time } from "../parts/basics.tsx";
import { Ask, Field, Form, Pager } from "../parts/forms.tsx";
import type { PageProps } from "./navigation.ts";
import { RepositoryPage } from "./repository/repository.tsx";

const LIMIT = 50;
const SCAN_PAGE = 1000;
const FOUND_MAX = 200;

export default function Repositories({ parts, query }: PageProps) {
  const [, namespace, name, tab = "card"] = parts;
  if (namespace === undefined || name === undefined) return <List query={query} />;
  const repository = RepositoryName.safeParse(`${namespace}/${name}`);
  if (!repository.success) return <Page title={t("lost.title")}>{t("lost.text")}</Page>;
  return <RepositoryPage key={repository.data} repository={repository.data} tab={tab} query={query} />;
}

function List({ query }: { query: URLSearchParams }) {
  const [text, setText] = useState(query.get("find") ?? "");
  const find = query.get("find") ?? "";
  const before = query
    .getAll("after")
    .join("")
    .split("|")
    .filter((cursor) => cursor !== "");
  const cursor = before.at(-1);
  const found = useLoad((client, signal) => (find === "" ? onePage(client, cursor, signal) : search(client, find, signal)), [find, cursor]);
  useNews(["repository."], found.reload);
  return (
    <Page title={t("nav.repositories")} actions={<Create onDone={(repository) => go(["repositories", ...repository.split("/")])} />}>
      <Form onSend={() => refine({ find: text.trim(), after: undefined })}>
        <Field label={t("repositories.find")} type="search" value={text} onInput={setText} hint={t("repositories.find.hint")} />
      </Form>
      <Loaded of={found}>
        {({ repositories, next, more }) => (
          <>
            <Table
              caption={t("nav.repositories")}
              columns={COLUMNS()}
              rows={repositories}
              keyOf={({ id }) => id}
              empty={t(find === "" ? "repositories.none" : "repositories.notFound")}
            />
            {more && <p class="hint">{t("repositories.more", { count: FOUND_MAX })}</p>}
            <Pager next={next} before={before} onGo={(cursors) => refine({ after: cursors.join("|") })} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

const COLUMNS = (): Column<RepositorySummary>[] => [
  {
    title: t("repository"),
    wide: true,
    cell: ({ repository }) => <a href={to(["repositories", ...repository.split("/")])}>{repository}</a>,
  },
  { title: t("created"), cell: ({ createdAt }) => <Time at={createdAt} ago /> },
  { title: t("createdBy"), cell: ({ createdBy }) => createdBy },
  { title: t("state"), cell: ({ blocked }) => blocked !== null && <Badge kind="bad">{t("blocked")}</Badge> },
];

type Found = { repositories: RepositorySummary[]; next: string | null; more: boolean };

async function onePage(client: FerryClient, cursor: string | undefined, signal: AbortSignal): Promise<Found> {
  const page = await client.call("listRepositories", { query: { limit: LIMIT, ...(cursor === undefined ? {} : { cursor }) } }, signal);
  return { ...page, more: false };
}

/** Walks the whole list, a thousand a request; a deployment has some ten thousand at most. */
async function search(client: FerryClient, text: string, signal: AbortSignal): Promise<Found> {
  const wanted = text.toLowerCase();
  const repositories: RepositorySummary[] = [];
  let cursor: string | null = null;
  do {
    const asked: { limit: number; cursor?: string } = { limit: SCAN_PAGE, ...(cursor === null ? {} : { cursor }) };
    const page: { repositories: RepositorySummary[]; next: string | null } = await client.call(
      "listRepositories",
      { query: asked },
      signal,
    );
    repositories.push(...page.repositories.filter(({ repository }) => repository.toLowerCase().includes(wanted)));
    cursor = page.next;
  } while (cursor !== null && repositories.length <= FOUND_MAX);
  return { repositories: repositories.slice(0, FOUND_MAX), next: null, more: repositories.length > FOUND_MAX };
}

function Create({ onDone }: { onDone: (repository: string) => void }) {
  const [name, setName] = useState("");
  return (
    <Ask
      open={t("repositories.create")}
      title={t("repositories.create")}
      act={t("create")}
      kind="main"
      onAct={async (client) => {
        await client.call("createRepository", { body: { repository: RepositoryName.parse(name.trim()), operationId: operationId() } });
      }}
      onDone={() => onDone(name.trim())}
      disabled={false}
    >
      <Field
        label={t("repositories.name")}
        value={name}
        onInput={setName}
        hint={t("repositories.name.hint")}
        placeholder="team/model"
        required
        autoFocus
      />
    </Ask>
  );
}
