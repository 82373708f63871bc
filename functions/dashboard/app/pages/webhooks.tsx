/** Webhooks: whom the deployment tells what happens, what it has told them, and telling it once more. */
import { useState } from "preact/hooks";
import { type DeliverySummary, type Webhook, WebhookRequest } from "../../../../shared/contract/hooks.ts";
import { useAct, useLoad } from "../core/load.ts";
import { operationId, session } from "../core/session.ts";
import { isAdmin } from "../core/usage.ts";
import { t } from "../core/words.ts";
import { useNews } from "../live/news.ts";
import { Badge, Button, type Column, Loaded, Notice, Page, Problem, Table, Time } from "../parts/basics.tsx";
import { Ask, Dialog, Field, Snippet } from "../parts/forms.tsx";

export default function Webhooks() {
  const now = session.value;
  if (now.is !== "in" || !isAdmin(now.me)) return <Page title={t("nav.webhooks")}>{t("overview.noAudit")}</Page>;
  return <Administered />;
}

function Administered() {
  const [secret, setSecret] = useState<string | null>(null);
  const list = useLoad((client, signal) => client.call("listWebhooks", {}, signal), []);
  useNews(["webhook."], list.reload);
  const made = (text: string) => {
    setSecret(text);
    list.reload();
  };
  return (
    <Page title={t("nav.webhooks")} lead={t("webhooks.lead")} actions={<Create onMade={made} />}>
      {secret !== null && (
        <Notice kind="good">
          <p>{t("tokens.once")}</p>
          <Snippet title={t("webhooks.secret")} text={secret} />
        </Notice>
      )}
      <Loaded of={list}>
        {({ webhooks }) => (
          <Table
            caption={t("nav.webhooks")}
            columns={columnsOf(list.reload)}
            rows={webhooks}
            keyOf={({ name }) => name}
            empty={t("webhooks.none")}
          />
        )}
      </Loaded>
    </Page>
  );
}

function columnsOf(reload: () => void): Column<Webhook>[] {
  return [
    {
      title: t("name"),
      cell: ({ name, disabled }) => (
        <>
          {name} {disabled !== null && <Badge kind="bad">{disabled}</Badge>}
        </>
      ),
    },
    { title: t("webhooks.url"), wide: true, cell: ({ url }) => url },
    { title: t("webhooks.events"), cell: ({ events, repositories }) => `${events.join(", ")} · ${repositories}` },
    { title: t("created"), cell: ({ createdAt }) => <Time at={createdAt} ago /> },
    { title: t("acts"), cell: ({ name }) => <Acts name={name} reload={reload} /> },
  ];
}

function Acts({ name, reload }: { name: string; reload: () => void }) {
  const [shown, setShown] = useState(false);
  return (
    <div class="actions">
      <Button onClick={() => setShown(true)}>{t("webhooks.deliveries")}</Button>
      {shown && (
        <Dialog title={t("webhooks.deliveriesOf", { name })} onClose={() => setShown(false)}>
          <Deliveries name={name} />
          <div class="actions end">
            <Button onClick={() => setShown(false)}>{t("close")}</Button>
          </div>
        </Dialog>
      )}
      <Ask
        open={t("delete")}
        title={t("webhooks.delete.title", { name })}
        act={t("delete")}
        kind="danger"
        onAct={async (client) => {
          await client.call("removeWebhook", { params: { webhook: name }, query: { operationId: operationId() } });
        }}
        onDone={reload}
      >
        <p>{t("webhooks.delete.text")}</p>
      </Ask>
    </div>
  );
}

const STATES = { waiting: "warn", delivered: "good", failed: "bad" } as const;

function Deliveries({ name }: { name: string }) {
  const list = useLoad(
    (client, signal) => client.call("listDeliveries", { params: { webhook: name }, query: { limit: 50 } }, signal),
    [name],
  );
  const acting = useAct();
  const replay = (delivery: string) =>
    acting.run(async (client) => {
      await client.call("replayDelivery", { params: { webhook: name, delivery } });
      list.reload();
    });
  const test = () =>
    acting.run(async (client) => {
      await client.call("testWebhook", { params: { webhook: name } });
      list.reload();
    });
  const columns: Column<DeliverySummary>[] = [
    { title: t("time"), cell: ({ createdAt }) => <Time at={createdAt} ago /> },
    { title: t("webhooks.event"), cell: ({ type }) => type },
    { title: t("state"), cell: ({ state, status }) => <Badge kind={STATES[state]}>{`${t(`delivery.${state}`)} ${status ?? ""}`}</Badge> },
    { title: t("collect.problem"), wide: true, cell: ({ problem }) => problem },
    {
      title: t("acts"),
      cell: ({ id }) => (
        <Button onClick={() => replay(id)} busy={acting.busy}>
          {t("webhooks.replay")}
        </Button>
      ),
    },
  ];
  return (
    <>
      <Button onClick={test} busy={acting.busy}>
        {t("webhooks.test")}
      </Button>
      <Problem problem={acting.problem} />
      <Loaded of={list}>
        {({ deliveries }) => <Table caption={t("webhooks.deliveries")} columns={columns} rows={deliveries} keyOf={({ id }) => id} />}
      </Loaded>
    </>
  );
}

function Create({ onMade }: { onMade: (secret: string) => void }) {
  const [form, setForm] = useState({ name: "", url: "", events: "*", repositories: "*" });
  const field = (name: keyof typeof form) => ({
    value: form[name],
    onInput: (value: string) => setForm({ ...form, [name]: value }),
    required: true,
  });
  return (
    <Ask
      open={t("webhooks.create")}
      title={t("webhooks.create")}
      act={t("create")}
      kind="main"
      onAct={async (client) => {
        const events = form.events.split(/[\s,]+/).filter((event) => event !== "");
        const asked = WebhookRequest.safeParse({ ...form, events, operationId: operationId() });
        if (!asked.success) throw new Error(asked.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; "));
        onMade((await client.call("createWebhook", { body: asked.data })).secret);
      }}
      onDone={() => {}}
    >
      <Field label={t("name")} {...field("name")} autoFocus />
      <Field label={t("webhooks.url")} {...field("url")} placeholder="https://" />
      <Field label={t("webhooks.events")} {...field("events")} hint={t("webhooks.events.hint")} />
      <Field label={t("tokens.repositories")} {...field("repositories")} hint={t("tokens.repositories.hint")} />
    </Ask>
  );
}
