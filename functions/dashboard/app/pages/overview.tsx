/** The deployment at one glance: what it holds and saves, what happened in the last day, what runs, what needs somebody. */

import type { FerryClient } from "../../../../shared/client.ts";
import type { DeploymentUsage } from "../../../../shared/contract/lifecycle.ts";
import { wholeUsage } from "../../../../shared/deployment-usage.ts";
import { to } from "../core/address.ts";
import { useLoad } from "../core/load.ts";
import { session } from "../core/session.ts";
import { numberText, percentText } from "../core/text.ts";
import { type Activity, isAdmin, lastDay } from "../core/usage.ts";
import { t } from "../core/words.ts";
import { Bytes, Loaded, Notice, Page, Section, Tile } from "../parts/basics.tsx";
import { HourBars } from "../parts/hour-bars.tsx";
import { CollectTile } from "./collect.tsx";

const EXPIRY_WARN_MS = 7 * 86_400_000;

export default function Overview() {
  const usage = useLoad(wholeUsage, []);
  const now = session.value;
  const admin = now.is === "in" && isAdmin(now.me);
  return (
    <Page title={t("nav.overview")}>
      <Loaded of={usage}>{(found) => <Tiles of={found} />}</Loaded>
      {admin && <Administered />}
    </Page>
  );
}

function Tiles({ of }: { of: Omit<DeploymentUsage, "next"> }) {
  const saved = of.logicalBytes === 0 ? 0 : Math.max(0, 1 - of.storedBytes / of.logicalBytes);
  return (
    <div class="tiles">
      <Tile
        title={t("nav.repositories")}
        value={<a href={to(["repositories"])}>{numberText(of.repositories)}</a>}
        note={t("usage.revisions", { count: numberText(of.revisions) })}
      />
      <Tile title={t("usage.logical")} value={<Bytes of={of.logicalBytes} />} note={t("overview.logical")} />
      <Tile title={t("usage.stored")} value={<Bytes of={of.storedBytes} />} note={t("usage.objects", { count: numberText(of.objects) })} />
      <Tile title={t("overview.saved")} value={percentText(saved)} note={<Bytes of={Math.max(0, of.logicalBytes - of.storedBytes)} />} />
      {of.measured !== null && (
        <Tile
          title={t("overview.unique")}
          value={<Bytes of={of.measured.bytes - of.measured.garbageBytes} />}
          note={t("overview.garbage", { count: numberText(of.measured.garbage) })}
        />
      )}
    </div>
  );
}

function Administered() {
  const day = useLoad((client, signal) => lastDay(client, Date.now(), signal), []);
  const alerts = useLoad(findAlerts, []);
  return (
    <>
      <Section title={t("overview.alerts")}>
        <Loaded of={alerts}>{(found) => <Alerts of={found} />}</Loaded>
      </Section>
      <Section title={t("overview.day")}>
        <Loaded of={day}>{(found) => (found === null ? <p class="empty">{t("overview.noAudit")}</p> : <Day of={found} />)}</Loaded>
      </Section>
      <Section title={t("overview.jobs")}>
        <CollectTile />
      </Section>
    </>
  );
}

function Day({ of }: { of: Activity }) {
  const sum = (counts: readonly number[]) => counts.reduce((all, count) => all + count, 0);
  return (
    <>
      <p>
        {t("overview.dayText", { pushes: numberText(sum(of.pushes)), pulls: numberText(sum(of.pulls)), failures: numberText(of.failures) })}
        {!of.complete && ` ${t("overview.more")}`}
      </p>
      <HourBars of={of} />
    </>
  );
}

type Alert = { text: string; place: string };

function Alerts({ of }: { of: readonly Alert[] }) {
  if (of.length === 0) return <p class="empty">{t("overview.fine")}</p>;
  return (
    <>
      {of.map(({ text, place }) => (
        <Notice key={text} kind="warn">
          {text} <a href={to([place])}>{t("overview.look")}</a>
        </Notice>
      ))}
    </>
  );
}

async function findAlerts(client: FerryClient, signal: AbortSignal): Promise<Alert[]> {
  const [{ stores }, { run }, { tokens }] = await Promise.all([
    client.call("listStores", {}, signal),
    client.call("collectStatus", {}, signal),
    client.call("listTokens", {}, signal),
  ]);
  const soon = (until: string | null) =>
    until !== null && Date.parse(until) > Date.now() && Date.parse(until) < Date.now() + EXPIRY_WARN_MS;
  const alert = (place: string, text: string): Alert => ({ place, text });
  return [
    ...stores.filter(({ probe }) => probe === null).map(({ id }) => alert("storage", t("alert.unprobed", { store: id }))),
    ...stores
      .filter(({ probe }) => probe !== null && probe.modes.length === 0)
      .map(({ id }) => alert("storage", t("alert.noUploads", { store: id }))),
    ...(run?.problem != null ? [alert("storage", t("alert.collect", { problem: run.problem }))] : []),
    ...(run !== null && run.missing > 0 ? [alert("storage", t("alert.missing", { count: run.missing }))] : []),
    ...tokens
      .filter(({ expiresAt, revokedAt }) => revokedAt === null && soon(expiresAt))
      .map(({ name }) => alert("tokens", t("alert.token", { name }))),
  ];
}
