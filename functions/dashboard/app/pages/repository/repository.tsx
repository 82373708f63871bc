/** One repository: what its refs are, and tabs for everything about a revision of it. */
import type { ComponentType } from "preact";
import type { FerryClient } from "../../../../../shared/client.ts";
import { DEFAULT_BRANCH, type Repository, type RevisionSummary } from "../../../../../shared/contract/repositories.ts";
import { FerryError } from "../../../../../shared/errors.ts";
import type { RepositoryName } from "../../../../../shared/names.ts";
import { to } from "../../core/address.ts";
import { useLoad } from "../../core/load.ts";
import { go } from "../../core/route.ts";
import { t, type Word } from "../../core/words.ts";
import { useNews } from "../../live/news.ts";
import { Badge, Bytes, Id, Loaded, Notice, Page, Time } from "../../parts/basics.tsx";
import { Choice } from "../../parts/forms.tsx";
import { CardTab } from "./card.tsx";
import { CompareTab } from "./compare.tsx";
import { FilesTab } from "./files.tsx";
import { ManageTab } from "./manage.tsx";
import { RefsTab } from "./refs.tsx";
import { RevisionsTab } from "./revisions.tsx";
import { UseTab } from "./use.tsx";
import { WhereTab } from "./where.tsx";

/** `revision`: the one that is looked at; null: there is none yet. `reload`: something was changed. */
export type TabProps = {
  repository: Repository;
  refName: string;
  revision: RevisionSummary | null;
  query: URLSearchParams;
  reload: () => void;
};

const TABS: readonly { path: string; word: Word; Shown: ComponentType<TabProps> }[] = [
  { path: "card", word: "tab.card", Shown: CardTab },
  { path: "files", word: "tab.files", Shown: FilesTab },
  { path: "revisions", word: "tab.revisions", Shown: RevisionsTab },
  { path: "compare", word: "tab.compare", Shown: CompareTab },
  { path: "refs", word: "tab.refs", Shown: RefsTab },
  { path: "where", word: "tab.where", Shown: WhereTab },
  { path: "use", word: "tab.use", Shown: UseTab },
  { path: "manage", word: "tab.manage", Shown: ManageTab },
];

export function RepositoryPage({ repository, tab, query }: { repository: RepositoryName; tab: string; query: URLSearchParams }) {
  const asked = query.get("ref");
  const loading = useLoad((client, signal) => readRepository(client, repository, asked, signal), [repository, asked]);
  useNews(["revision.", "tag.", "repository."], loading.reload, repository);
  return (
    <Loaded of={loading}>
      {({ shown, refName, revision }) => (
        <Page
          title={repository}
          lead={<Lead shown={shown} revision={revision} />}
          actions={<RefChoice shown={shown} refName={refName} tab={tab} />}
        >
          {shown.blocked !== null && (
            <Notice kind="warn">{t("blocked.text", { by: shown.blocked.by, reason: shown.blocked.reason })}</Notice>
          )}
          <Tabs repository={repository} tab={tab} refName={refName} />
          <Tab tab={tab} of={{ repository: shown, refName, revision, query, reload: loading.reload }} />
        </Page>
      )}
    </Loaded>
  );
}

type Read = { shown: Repository; refName: string; revision: RevisionSummary | null };

async function readRepository(client: FerryClient, repository: RepositoryName, asked: string | null, signal: AbortSignal): Promise<Read> {
  const shown = await client.call("describeRepository", { repository }, signal);
  const refName = asked ?? usualRef(shown);
  // Nothing was pushed yet.
  if (asked === null && !Object.hasOwn(shown.refs.branches, refName)) return { shown, refName, revision: null };
  try {
    return { shown, refName, revision: await client.call("resolve", { repository, params: { ref: refName } }, signal) };
  } catch (error) {
    // A link to a ref that is gone: the rest of the repository is still worth looking at.
    if (error instanceof FerryError && error.status === 404) return { shown, refName, revision: null };
    throw error;
  }
}

function usualRef({ refs }: Repository): string {
  const [first = DEFAULT_BRANCH] = Object.keys(refs.branches);
  return Object.hasOwn(refs.branches, DEFAULT_BRANCH) ? DEFAULT_BRANCH : first;
}

function Lead({ shown, revision }: { shown: Repository; revision: RevisionSummary | null }) {
  if (revision === null) return <>{t("repository.noRevision", { count: shown.revisionCount })}</>;
  return (
    <>
      <Id id={revision.revision} /> · {t("repository.files", { count: revision.fileCount })} · <Bytes of={revision.sizeBytes} /> ·{" "}
      <Time at={revision.time} ago /> · {revision.author} {revision.deletedAt !== null && <Badge kind="warn">{t("inTrash")}</Badge>}
    </>
  );
}

function RefChoice({ shown, refName, tab }: { shown: Repository; refName: string; tab: string }) {
  const names = [...Object.keys(shown.refs.branches), ...Object.keys(shown.refs.tags)];
  const all = names.includes(refName) ? names : [refName, ...names];
  const path = ["repositories", ...shown.repository.split("/"), tab];
  return (
    <Choice label={t("ref")} value={refName} of={all.map((name) => [name, name] as const)} onChange={(name) => go(path, { ref: name })} />
  );
}

function Tabs({ repository, tab, refName }: { repository: string; tab: string; refName: string }) {
  return (
    <nav class="tabs" aria-label={repository}>
      {TABS.map(({ path, word }) => (
        <a
          key={path}
          href={to(["repositories", ...repository.split("/"), path], { ref: refName })}
          aria-current={path === tab ? "page" : undefined}
        >
          {t(word)}
        </a>
      ))}
    </nav>
  );
}

function Tab({ tab, of }: { tab: string; of: TabProps }) {
  const found = TABS.find(({ path }) => path === tab);
  return found === undefined ? <p>{t("lost.text")}</p> : <found.Shown {...of} />;
}
