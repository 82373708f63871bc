/** The deployment at one glance: what it holds and saves, what happened in the last day, what runs, what needs somebody. */

import type { DeploymentUsage } from "../../../../shared/contract/lifecycle.ts";
import { wholeUsage } from "../../../../shared/deployment-usage.ts";
import { type GroupWarmth, warmthOfGroups } from "../../../../shared/health/warmth.ts";
import { to } from "../core/address.ts";
import { useAgain, useLoad } from "../core/load.ts";
import { session } from "../core/session.ts";
import { numberText, percentText } from "../core/text.ts";
import { type Activity, isAdmin, lastDay } from "../core/usage.ts";
import { t } from "../core/words.ts";
import { useNews } from "../live/news.ts";
import { Alerts } from "../parts/alerts.tsx";
import { Bytes, Loaded, Page, Section, Tile } from "../parts/basics.tsx";
import { HeatMap } from "../parts/heat-map.tsx";
import { HourBars } from "../parts/hour-bars.tsx";
import { RunningJobs } from "../parts/running-jobs.tsx";
import { StoreMatrix } from "../parts/store-matrix.tsx";

/** Of the matrix: what is new comes first elsewhere; all of it is on its own page. */
const MATRIX_ROWS = 8;
const WARMTH_AGAIN_MS = 10_000;

export default function Overview() {
  const usage = useLoad(wholeUsage, []);
  useNews(["repository.", "revision.", "collect."], usage.reload);
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
  useNews(["revision.committed"], day.reload);
  return (
    <>
      <Section title={t("overview.alerts")}>
        <Alerts />
      </Section>
      <Section title={t("running.title")}>
        <RunningJobs />
      </Section>
      <Section title={t("overview.day")}>
        <Loaded of={day}>{(found) => (found === null ? <p class="empty">{t("overview.noAudit")}</p> : <Day of={found} />)}</Loaded>
      </Section>
      <Section title={t("heat.title")} actions={<a href={to(["nodes"])}>{t("overview.all")}</a>}>
        <Warmth />
      </Section>
      <Section title={t("matrix.title")} actions={<a href={to(["replication"])}>{t("overview.all")}</a>}>
        <StoreMatrix limit={MATRIX_ROWS} before={[]} onGo={null} />
      </Section>
    </>
  );
}

function Warmth() {
  const maps = useLoad(warmthOfGroups, []);
  useAgain(maps.reload, WARMTH_AGAIN_MS);
  useNews(["warmup."], maps.reload);
  return <Loaded of={maps}>{(found) => <GroupMaps of={found} />}</Loaded>;
}

/** A map for each group that has warm-ups, with its name as soon as there are several groups; of none one that says so. */
function GroupMaps({ of }: { of: readonly GroupWarmth[] }) {
  const warm = of.filter(({ warmups }) => warmups.length > 0);
  return (
    <>
      {(warm.length === 0 ? of.slice(0, 1) : warm).map((map) => (
        <div key={map.group}>
          {of.length > 1 && (
            <h3>
              <a href={to(["nodes"], { group: map.group })}>{map.group}</a>
            </h3>
          )}
          <HeatMap of={map} />
        </div>
      ))}
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
