/** The history of a repository, newest first, or what of it fits; what of it goes into the trash, and comes back. */
import { useState } from "preact/hooks";
import type { RevisionSummary } from "../../../../../shared/contract/repositories.ts";
import { to } from "../../core/address.ts";
import { useLoad } from "../../core/load.ts";
import { refine } from "../../core/route.ts";
import { operationId } from "../../core/session.ts";
import { t } from "../../core/words.ts";
import { Badge, Bytes, type Column, Id, Loaded, Table, Time } from "../../parts/basics.tsx";
import { Ask, Check, Field, Form, Pager } from "../../parts/forms.tsx";
import type { TabProps } from "./repository.tsx";

const LIMIT = 50;

export function RevisionsTab({ repository, query, reload }: TabProps) {
  const text = query.get("text") ?? "";
  const deleted = query.get("deleted") === "true";
  const [typed, setTyped] = useState(text);
  const before = (query.get("after") ?? "").split("|").filter((cursor) => cursor !== "");
  const cursor = before.at(-1);
  const page = useLoad(
    (client, signal) =>
      client.call(
        "listRevisions",
        {
          repository: repository.repository,
          query: {
            limit: LIMIT,
            deleted: deleted ? "true" : "false",
            ...(text === "" ? {} : { text }),
            ...(cursor === undefined ? {} : { cursor }),
          },
        },
        signal,
      ),
    [repository.repository, repository.seq, text, deleted, cursor],
  );
  const changed = () => {
    page.reload();
    reload();
  };
  return (
    <>
      <Form onSend={() => refine({ text: typed.trim(), after: undefined })}>
        <Field label={t("revisions.find")} type="search" value={typed} onInput={setTyped} />
      </Form>
      <Check
        label={t("revisions.deleted")}
        value={deleted}
        onChange={(value) => refine({ deleted: value ? "true" : undefined, after: undefined })}
      />
      <Loaded of={page}>
        {({ revisions, next }) => (
          <>
            <Table
              caption={t("tab.revisions")}
              columns={columnsOf(repository, changed)}
              rows={revisions}
              keyOf={({ revision }) => revision}
            />
            <Pager next={next} before={before} onGo={(cursors) => refine({ after: cursors.join("|") })} />
          </>
        )}
      </Loaded>
    </>
  );
}

function columnsOf(repository: TabProps["repository"], changed: () => void): Column<RevisionSummary>[] {
  const path = repository.repository.split("/");
  return [
    {
      title: t("revision"),
      cell: ({ revision }) => (
        <a href={to(["repositories", ...path, "card"], { ref: revision })}>
          <Id id={revision} />
        </a>
      ),
    },
    { title: t("message"), wide: true, cell: (revision) => <Told of={revision} refs={repository.refs} /> },
    { title: t("author"), cell: ({ author }) => author },
    { title: t("time"), cell: ({ time }) => <Time at={time} ago /> },
    { title: t("size"), right: true, cell: ({ sizeBytes }) => <Bytes of={sizeBytes} /> },
    { title: t("newBytes"), right: true, cell: ({ newBytes }) => <Bytes of={newBytes} /> },
    {
      title: t("acts"),
      cell: ({ revision, parent, deletedAt }) => (
        <div class="actions">
          {parent !== null && (
            <a class="button plain" href={to(["repositories", ...path, "compare"], { ref: revision, base: parent })}>
              {t("compare")}
            </a>
          )}
          <TrashAct repository={repository.repository} revision={revision} inTrash={deletedAt !== null} onDone={changed} />
        </div>
      ),
    },
  ];
}

function Told({ of, refs }: { of: RevisionSummary; refs: TabProps["repository"]["refs"] }) {
  const at = (names: Readonly<Record<string, string>>) => Object.keys(names).filter((name) => names[name] === of.revision);
  return (
    <>
      {at(refs.branches).map((name) => (
        <Badge key={`b ${name}`} kind="good">
          {name}
        </Badge>
      ))}
      {at(refs.tags).map((name) => (
        <Badge key={`t ${name}`}>{name}</Badge>
      ))}
      {of.message.split("\n")[0]}
    </>
  );
}

type TrashProps = {
  repository: TabProps["repository"]["repository"];
  revision: RevisionSummary["revision"];
  inTrash: boolean;
  onDone: () => void;
};

function TrashAct({ repository, revision, inTrash, onDone }: TrashProps) {
  if (inTrash) {
    return (
      <Ask
        open={t("restore")}
        title={t("revisions.restore.title")}
        act={t("restore")}
        onAct={async (client) => {
          await client.call("restoreRevisions", { repository, body: { revisions: [revision], operationId: operationId() } });
        }}
        onDone={onDone}
      >
        <p>{t("revisions.restore.text")}</p>
      </Ask>
    );
  }
  return (
    <Ask
      open={t("trash")}
      title={t("revisions.trash.title")}
      act={t("trash")}
      kind="danger"
      onAct={async (client) => {
        await client.call("trashRevisions", { repository, body: { revisions: [revision], operationId: operationId() } });
      }}
      onDone={onDone}
    >
      <p>{t("revisions.trash.text")}</p>
    </Ask>
  );
}
