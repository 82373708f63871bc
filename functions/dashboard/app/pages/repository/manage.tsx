/** What a repository weighs, labels of the revision, and the repository's end. */
import { useState } from "preact/hooks";
import type { RepositoryUsage } from "../../../../../shared/contract/lifecycle.ts";
import type { RevisionSummary } from "../../../../../shared/contract/repositories.ts";
import type { RepositoryName } from "../../../../../shared/names.ts";
import { useLoad } from "../../core/load.ts";
import { go } from "../../core/route.ts";
import { operationId } from "../../core/session.ts";
import { bytesText, numberText } from "../../core/text.ts";
import { t } from "../../core/words.ts";
import { Bytes, Facts, Loaded, Section, Tile, Time } from "../../parts/basics.tsx";
import { Ask, Field } from "../../parts/forms.tsx";
import type { TabProps } from "./repository.tsx";

export function ManageTab({ repository, revision, reload }: TabProps) {
  const name = repository.repository;
  const usage = useLoad((client, signal) => client.call("repositoryUsage", { repository: name }, signal), [name, repository.seq]);
  const { quota, retention } = repository.settings;
  const limit = (bytes: number | null | undefined) => (bytes === null || bytes === undefined ? t("unlimited") : bytesText(bytes));
  return (
    <>
      <Section title={t("usage")}>
        <Loaded of={usage}>{(found) => <Usage of={found} />}</Loaded>
      </Section>
      <Section title={t("settings")}>
        <Facts
          of={[
            [t("id"), repository.id],
            [t("created"), <Time key="created" at={repository.createdAt} />],
            [t("createdBy"), repository.createdBy],
            [t("quota.logical"), limit(quota?.logicalBytes)],
            [t("quota.stored"), limit(quota?.storedBytes)],
            [t("retention"), retention === null ? t("retention.all") : JSON.stringify(retention)],
          ]}
        />
      </Section>
      {revision !== null && (
        <Section title={t("labels")} actions={<Label repository={name} revision={revision} onDone={reload} />}>
          <Facts of={[...Object.entries(revision.labels), ...Object.entries(revision.metrics)]} />
        </Section>
      )}
      <Section title={t("danger")}>
        <Remove repository={name} />
      </Section>
    </>
  );
}

function Usage({ of }: { of: RepositoryUsage }) {
  return (
    <div class="tiles">
      <Tile
        title={t("usage.logical")}
        value={<Bytes of={of.logicalBytes} />}
        note={t("usage.revisions", { count: numberText(of.revisions) })}
      />
      <Tile
        title={t("usage.unique")}
        value={<Bytes of={of.uniqueBytes} />}
        note={of.complete ? undefined : t("usage.partial", { count: of.scanned })}
      />
      <Tile title={t("usage.stored")} value={<Bytes of={of.storedBytes} />} note={t("usage.objects", { count: numberText(of.objects) })} />
    </div>
  );
}

/** One label; without a value it is taken away. */
function Label({ repository, revision, onDone }: { repository: RepositoryName; revision: RevisionSummary; onDone: () => void }) {
  const [key, setKey] = useState("");
  const [value, setValue] = useState("");
  return (
    <Ask
      open={t("label.set")}
      title={t("label.set")}
      act={t("save")}
      onAct={async (client) => {
        const body = { labels: { [key]: value === "" ? null : value }, merge: true, operationId: operationId() };
        await client.call("setLabels", { repository, params: { ref: revision.revision }, body });
      }}
      onDone={onDone}
    >
      <Field label={t("label.key")} value={key} onInput={setKey} required autoFocus />
      <Field label={t("label.value")} value={value} onInput={setValue} hint={t("label.value.hint")} />
    </Ask>
  );
}

function Remove({ repository }: { repository: RepositoryName }) {
  const [typed, setTyped] = useState("");
  return (
    <Ask
      open={t("repository.delete")}
      title={t("repository.delete.title", { repository })}
      act={t("repository.delete")}
      kind="danger"
      onAct={async (client) => {
        if (typed !== repository) throw new Error(t("repository.delete.wrong"));
        await client.call("deleteRepository", { repository, query: { operationId: operationId() } });
      }}
      onDone={() => go(["trash"])}
    >
      <p>{t("repository.delete.text")}</p>
      <Field label={t("repository.delete.name")} value={typed} onInput={setTyped} placeholder={repository} required autoFocus />
    </Ask>
  );
}
