/** Replication: policies, each with what it would copy, and the jobs that are under way. */
import { useState } from "preact/hooks";
import { Policy, type PolicyPreview, type PolicySummary, type ReplicaJobState } from "../../../../shared/contract/replication.ts";
import { useAct, useAgain, useLoad } from "../core/load.ts";
import { operationId, session } from "../core/session.ts";
import { bytesText, durationText, numberText } from "../core/text.ts";
import { isAdmin } from "../core/usage.ts";
import { t } from "../core/words.ts";
import { useNews } from "../live/news.ts";
import { Badge, Bar, Button, Bytes, type Column, Id, Loaded, Notice, Page, Problem, Section, Table, Time } from "../parts/basics.tsx";
import { Ask, Field } from "../parts/forms.tsx";
import { REPLICA_KINDS, StoreMatrix } from "../parts/store-matrix.tsx";

/** Jobs move by themselves. */
const AGAIN_MS = 5000;
/** Repositories of a page: each is a question that lists the stores. */
const MATRIX_ROWS = 20;

export default function Replication() {
  const now = session.value;
  if (now.is !== "in" || !isAdmin(now.me)) return <Page title={t("nav.replication")}>{t("overview.noAudit")}</Page>;
  return <Administered />;
}

function Administered() {
  const policies = useLoad((client, signal) => client.call("listPolicies", {}, signal), []);
  const jobs = useLoad((client, signal) => client.call("syncStatus", {}, signal), []);
  const stepping = useAct();
  const [before, setBefore] = useState<string[]>([]);
  useAgain(jobs.reload, AGAIN_MS);
  useNews(["replica."], jobs.reload);
  const step = () =>
    stepping.run(async (client) => {
      await client.call("stepSync", {});
      jobs.reload();
    });
  const go = (
    <Button onClick={step} busy={stepping.busy}>
      {t("sync.step")}
    </Button>
  );
  return (
    <Page title={t("nav.replication")} lead={t("sync.lead")} actions={<NewPolicy onDone={policies.reload} />}>
      <Section title={t("policies")}>
        <Loaded of={policies}>
          {(found) => (
            <Table
              caption={t("policies")}
              columns={policyColumns(policies.reload)}
              rows={found.policies}
              keyOf={({ name }) => name}
              empty={t("policies.none")}
            />
          )}
        </Loaded>
      </Section>
      <Section title={t("jobs")} actions={go}>
        <Problem problem={stepping.problem} />
        <Loaded of={jobs}>
          {(found) => <Table caption={t("jobs")} columns={JOBS()} rows={found.jobs} keyOf={({ job }) => job} empty={t("jobs.none")} />}
        </Loaded>
      </Section>
      <Section title={t("matrix.title")}>
        <StoreMatrix limit={MATRIX_ROWS} before={before} onGo={setBefore} />
      </Section>
    </Page>
  );
}

function policyColumns(reload: () => void): Column<PolicySummary>[] {
  return [
    { title: t("name"), cell: ({ name }) => name },
    { title: t("tokens.repositories"), wide: true, cell: ({ repositories, refs }) => `${repositories}@${refs}` },
    { title: t("stores"), cell: ({ stores }) => stores.join(", ") },
    { title: t("policy.trigger"), cell: ({ trigger, everyHours }) => `${trigger}${everyHours === undefined ? "" : ` / ${everyHours} h`}` },
    { title: t("policy.ranAt"), cell: ({ ranAt }) => <Time at={ranAt} ago /> },
    { title: t("acts"), cell: (policy) => <PolicyActs policy={policy} reload={reload} /> },
  ];
}

function PolicyActs({ policy: { name }, reload }: { policy: PolicySummary; reload: () => void }) {
  return (
    <div class="actions">
      <Ask
        open={t("policy.run")}
        title={t("policy.run.title", { name })}
        act={t("start")}
        onAct={async (client) => {
          await client.call("runPolicy", { params: { policy: name }, body: { operationId: operationId() } });
        }}
        onDone={reload}
      >
        <p>{t("policy.run.text")}</p>
      </Ask>
      <Ask
        open={t("delete")}
        title={t("policy.delete.title", { name })}
        act={t("delete")}
        kind="danger"
        onAct={async (client) => {
          await client.call("removePolicy", { params: { policy: name }, query: { operationId: operationId() } });
        }}
        onDone={reload}
      >
        <p>{t("policy.delete.text")}</p>
      </Ask>
    </div>
  );
}

/** Saved only after somebody could look at what it would copy. */
function NewPolicy({ onDone }: { onDone: () => void }) {
  const [form, setForm] = useState({ name: "", repositories: "", refs: "*", stores: "" });
  const [preview, setPreview] = useState<PolicyPreview | null>(null);
  const looking = useAct();
  const change = (part: Partial<typeof form>) => {
    setForm({ ...form, ...part });
    setPreview(null);
  };
  const look = () => looking.run(async (client) => setPreview(await client.call("previewPolicy", { body: { policy: policyOf(form) } })));
  return (
    <Ask
      open={t("policy.new")}
      title={t("policy.new")}
      act={t("save")}
      kind="main"
      onAct={async (client) => {
        await client.call("setPolicy", { body: { policy: policyOf(form), operationId: operationId() } });
      }}
      onDone={onDone}
    >
      <Field label={t("name")} value={form.name} onInput={(name) => change({ name })} required autoFocus />
      <Field
        label={t("tokens.repositories")}
        value={form.repositories}
        onInput={(repositories) => change({ repositories })}
        placeholder="team/*"
        required
      />
      <Field label={t("policy.refs")} value={form.refs} onInput={(refs) => change({ refs })} hint={t("policy.refs.hint")} required />
      <Field label={t("stores")} value={form.stores} onInput={(stores) => change({ stores })} hint={t("policy.stores.hint")} required />
      <Problem problem={looking.problem} />
      <Button onClick={look} busy={looking.busy}>
        {t("policy.preview")}
      </Button>
      {preview !== null && <Preview of={preview} />}
    </Ask>
  );
}

function policyOf({ stores, ...form }: { name: string; repositories: string; refs: string; stores: string }): Policy {
  const parsed = Policy.safeParse({ ...form, stores: stores.split(/[\s,]+/).filter((store) => store !== "") });
  if (!parsed.success) throw new Error(parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; "));
  return parsed.data;
}

function Preview({ of }: { of: PolicyPreview }) {
  return (
    <Notice>
      {t("policy.previewText", { matches: numberText(of.matches), missing: numberText(of.missing), bytes: bytesText(of.bytes) })}
      {of.more && ` ${t("policy.more")}`}
    </Notice>
  );
}

const JOBS = (): Column<ReplicaJobState>[] => [
  { title: t("repository"), wide: true, cell: ({ repository, repositoryId }) => repository ?? repositoryId },
  { title: t("revision"), cell: ({ revision }) => <Id id={revision} /> },
  { title: t("store"), cell: ({ store }) => store },
  {
    title: t("state"),
    cell: ({ state, problem }) => (
      <span title={problem ?? ""}>
        <Badge kind={REPLICA_KINDS[state]}>{t(`replica.${state}`)}</Badge>
      </span>
    ),
  },
  { title: t("progress"), cell: ({ doneBytes, bytes }) => <Bar share={bytes === 0 ? 1 : doneBytes / bytes} label={t("progress")} /> },
  { title: t("size"), right: true, cell: ({ bytes }) => <Bytes of={bytes} /> },
  { title: t("eta"), cell: ({ etaSeconds }) => (etaSeconds === null ? "" : durationText(etaSeconds)) },
];
