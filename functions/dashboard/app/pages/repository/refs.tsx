/** Branches and tags: where they point, setting and promoting, locks, one step back. */
import { useState } from "preact/hooks";
import type { Repository } from "../../../../../shared/contract/repositories.ts";
import { RefName, RevisionId } from "../../../../../shared/names.ts";
import { to } from "../../core/address.ts";
import { useLoad } from "../../core/load.ts";
import { operationId } from "../../core/session.ts";
import { t } from "../../core/words.ts";
import { Badge, Button, type Column, Id, Loaded, Section, Table, Time } from "../../parts/basics.tsx";
import { Ask, Dialog, Field } from "../../parts/forms.tsx";
import type { TabProps } from "./repository.tsx";

type Row = { name: string; revision: string; locked: boolean };

export function RefsTab({ repository, refName, reload }: TabProps) {
  const rows = (refs: Readonly<Record<string, string>>): Row[] =>
    Object.entries(refs).map(([name, revision]) => ({ name, revision, locked: repository.lockedTags.includes(name) }));
  return (
    <>
      <Section title={t("tags")} actions={<SetTag repository={repository} tag="" refName={refName} onDone={reload} />}>
        <Table
          caption={t("tags")}
          columns={tagColumns(repository, refName, reload)}
          rows={rows(repository.refs.tags)}
          keyOf={({ name }) => name}
          empty={t("tags.none")}
        />
      </Section>
      <Section title={t("branches")}>
        <Table
          caption={t("branches")}
          columns={branchColumns(repository, reload)}
          rows={rows(repository.refs.branches)}
          keyOf={({ name }) => name}
        />
      </Section>
    </>
  );
}

function nameColumn({ repository }: Repository): Column<Row> {
  return {
    title: t("ref"),
    wide: true,
    cell: ({ name, locked }) => (
      <>
        <a href={to(["repositories", ...repository.split("/"), "card"], { ref: name })}>{name}</a>{" "}
        {locked && <Badge kind="warn">{t("locked")}</Badge>}
      </>
    ),
  };
}

const REVISION = (): Column<Row> => ({ title: t("revision"), cell: ({ revision }) => <Id id={revision} /> });

function branchColumns(repository: Repository, reload: () => void): Column<Row>[] {
  const acts: Column<Row> = {
    title: t("acts"),
    cell: ({ name, revision }) => (
      <Ask
        open={t("delete")}
        title={t("branch.delete.title", { branch: name })}
        act={t("delete")}
        kind="danger"
        onAct={async (client) => {
          const query = { operationId: operationId(), expected: RevisionId.parse(revision) };
          await client.call("deleteBranch", { repository: repository.repository, params: { branch: name }, query });
        }}
        onDone={reload}
      >
        <p>{t("branch.delete.text")}</p>
      </Ask>
    ),
  };
  return [nameColumn(repository), REVISION(), acts];
}

function tagColumns(repository: Repository, refName: string, reload: () => void): Column<Row>[] {
  const acts: Column<Row> = {
    title: t("acts"),
    cell: ({ name, revision, locked }) => (
      <div class="actions">
        <SetTag repository={repository} tag={name} refName={refName} onDone={reload} disabled={locked} />
        <Lock repository={repository} tag={name} locked={locked} onDone={reload} />
        <RollBack repository={repository} tag={name} revision={revision} disabled={locked} onDone={reload} />
        <History repository={repository} tag={name} />
        <Ask
          open={t("delete")}
          title={t("tag.delete.title", { tag: name })}
          act={t("delete")}
          kind="danger"
          disabled={locked}
          onAct={async (client) => {
            const query = { operationId: operationId(), expected: RevisionId.parse(revision) };
            await client.call("deleteTag", { repository: repository.repository, params: { tag: name }, query });
          }}
          onDone={reload}
        >
          <p>{t("tag.delete.text")}</p>
        </Ask>
      </div>
    ),
  };
  return [nameColumn(repository), REVISION(), acts];
}

type TagProps = { repository: Repository; tag: string; onDone: () => void; disabled?: boolean };

/** Of a tag that is there: the tag must still point where the reader saw it. */
function SetTag({ repository, tag, refName, onDone, disabled = false }: TagProps & { refName: string }) {
  const [name, setName] = useState(tag);
  const [target, setTarget] = useState(refName);
  const [message, setMessage] = useState("");
  return (
    <Ask
      open={t(tag === "" ? "tag.new" : "tag.move")}
      title={t(tag === "" ? "tag.new" : "tag.move.title", { tag })}
      act={t("tag.set")}
      kind={tag === "" ? "main" : "plain"}
      disabled={disabled}
      onAct={async (client) => {
        const now = repository.refs.tags[name];
        const body = { ref: target, expected: now === undefined ? null : now, message, operationId: operationId() };
        await client.call("setTag", { repository: repository.repository, params: { tag: RefName.parse(name) }, body });
      }}
      onDone={onDone}
    >
      {tag === "" && <Field label={t("tag")} value={name} onInput={setName} required autoFocus />}
      <Field label={t("tag.target")} value={target} onInput={setTarget} hint={t("tag.target.hint")} required />
      <Field label={t("message")} value={message} onInput={setMessage} />
    </Ask>
  );
}

function Lock({ repository: { repository }, tag, locked, onDone }: TagProps & { locked: boolean }) {
  return (
    <Ask
      open={t(locked ? "unlock" : "lock")}
      title={t(locked ? "tag.unlock.title" : "tag.lock.title", { tag })}
      act={t(locked ? "unlock" : "lock")}
      onAct={async (client) => {
        const asked = { repository, params: { tag } };
        if (locked) await client.call("unlockTag", { ...asked, query: { operationId: operationId() } });
        else await client.call("lockTag", { ...asked, body: { operationId: operationId() } });
      }}
      onDone={onDone}
    >
      <p>{t(locked ? "tag.unlock.text" : "tag.lock.text")}</p>
    </Ask>
  );
}

function RollBack({ repository: { repository }, tag, revision, onDone, disabled = false }: TagProps & { revision: string }) {
  return (
    <Ask
      open={t("tag.rollback")}
      title={t("tag.rollback.title", { tag })}
      act={t("tag.rollback")}
      disabled={disabled}
      onAct={async (client) => {
        const body = { expected: RevisionId.parse(revision), operationId: operationId() };
        await client.call("rollbackTag", { repository, params: { tag }, body });
      }}
      onDone={onDone}
    >
      <p>{t("tag.rollback.text")}</p>
    </Ask>
  );
}

function History({ repository, tag }: { repository: Repository; tag: string }) {
  const [shown, setShown] = useState(false);
  return (
    <>
      <Button onClick={() => setShown(true)}>{t("history")}</Button>
      {shown && (
        <Dialog title={t("tag.history.title", { tag })} onClose={() => setShown(false)}>
          <HistoryList repository={repository} tag={tag} />
          <div class="actions end">
            <Button onClick={() => setShown(false)}>{t("close")}</Button>
          </div>
        </Dialog>
      )}
    </>
  );
}

function HistoryList({ repository: { repository }, tag }: { repository: Repository; tag: string }) {
  const history = useLoad(
    (client, signal) => client.call("tagHistory", { repository, params: { tag }, query: { limit: 50 } }, signal),
    [tag],
  );
  return (
    <Loaded of={history}>
      {({ entries }) => (
        <ul class="history">
          {entries.map(({ seq, revision, author, time, message }) => (
            <li key={seq}>
              <Id id={revision} /> <Time at={time} /> {author} {message}
            </li>
          ))}
        </ul>
      )}
    </Loaded>
  );
}
