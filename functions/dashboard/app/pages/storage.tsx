/** Stores with what is proven about them, and collection. */
import type { StoreSummary } from "../../../../shared/contract/stores.ts";
import { useLoad } from "../core/load.ts";
import { session } from "../core/session.ts";
import { isAdmin } from "../core/usage.ts";
import { t } from "../core/words.ts";
import { Badge, type Column, Loaded, Page, Section, Table, Time } from "../parts/basics.tsx";
import { Ask } from "../parts/forms.tsx";
import { Collect } from "./collect.tsx";

export default function Storage() {
  const now = session.value;
  const admin = now.is === "in" && isAdmin(now.me);
  const stores = useLoad((client, signal) => client.call("listStores", {}, signal), []);
  return (
    <Page title={t("nav.storage")}>
      <Section title={t("stores")}>
        <Loaded of={stores}>
          {(found) => <Table caption={t("stores")} columns={columnsOf(admin, stores.reload)} rows={found.stores} keyOf={({ id }) => id} />}
        </Loaded>
      </Section>
      {admin && (
        <Section title={t("collect")}>
          <p class="hint">{t("collect.lead")}</p>
          <Collect />
        </Section>
      )}
    </Page>
  );
}

function columnsOf(admin: boolean, reload: () => void): Column<StoreSummary>[] {
  const columns: Column<StoreSummary>[] = [
    {
      title: t("store"),
      cell: ({ id, home }) => (
        <>
          {id} {home && <Badge kind="good">{t("store.home")}</Badge>}
        </>
      ),
    },
    { title: t("store.provider"), cell: ({ provider }) => provider },
    { title: t("store.bucket"), wide: true, cell: ({ endpoint, bucket, prefix }) => `${endpoint}/${bucket}/${prefix}` },
    { title: t("store.checks"), cell: ({ probe }) => <Checks of={probe} /> },
    { title: t("store.probedAt"), cell: ({ probe }) => <Time at={probe?.probedAt ?? null} ago /> },
  ];
  return admin ? [...columns, { title: t("acts"), cell: ({ id }) => <Acts store={id} reload={reload} /> }] : columns;
}

function Checks({ of }: { of: StoreSummary["probe"] }) {
  if (of === null) return <Badge kind="warn">{t("store.unprobed")}</Badge>;
  if (of.modes.length === 0) return <Badge kind="bad">{t("store.noUploads")}</Badge>;
  return (
    <>
      {of.modes.map((mode) => (
        <Badge key={mode} kind="good">
          {mode}
        </Badge>
      ))}
    </>
  );
}

function Acts({ store, reload }: { store: string; reload: () => void }) {
  return (
    <div class="actions">
      <Ask
        open={t("store.probe")}
        title={t("store.probe.title", { store })}
        act={t("start")}
        onAct={async (client) => {
          await client.call("probeStore", { params: { store } });
        }}
        onDone={reload}
      >
        <p>{t("store.probe.text")}</p>
      </Ask>
      <Ask
        open={t("store.setup")}
        title={t("store.setup.title", { store })}
        act={t("start")}
        onAct={async (client) => {
          const { steps } = await client.call("setupStore", { params: { store } });
          const failed = steps.filter(({ done }) => !done);
          if (failed.length > 0) throw new Error(failed.map(({ step, detail }) => `${step}: ${detail}`).join("; "));
        }}
        onDone={reload}
      >
        <p>{t("store.setup.text")}</p>
      </Ask>
    </div>
  );
}
