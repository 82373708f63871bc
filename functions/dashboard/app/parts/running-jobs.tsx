/** What runs now, with how far it is and the time it still needs: copies, warm-ups, collection, rebuild, the look for damage. */
import type { FerryClient } from "../../../../shared/client.ts";
import { warmthOfGroups } from "../../../../shared/health/warmth.ts";
import { to } from "../core/address.ts";
import { useAgain, useLoad } from "../core/load.ts";
import { durationText, numberText } from "../core/text.ts";
import { t, type Word } from "../core/words.ts";
import { useNews } from "../live/news.ts";
import { Badge, Bar, type Column, Loaded, Table } from "./basics.tsx";

/** What moves is looked at again this soon; what begins and ends is told by events. */
const AGAIN_MS = 5_000;
const SHOWN_MAX = 20;

/** `share`: 0 to 1; null when nobody knows the whole. */
type Job = { key: string; kind: Word; place: string[]; what: string; state: string; share: number | null; etaSeconds: number | null };

export function RunningJobs() {
  const jobs = useLoad(readJobs, []);
  useAgain(jobs.reload, AGAIN_MS);
  useNews(["replica.", "warmup.", "collect.", "index."], jobs.reload);
  return (
    <Loaded of={jobs}>
      {(found) => (
        <>
          <Table
            caption={t("running.title")}
            columns={COLUMNS()}
            rows={found.slice(0, SHOWN_MAX)}
            keyOf={({ key }) => key}
            empty={t("running.none")}
          />
          {found.length > SHOWN_MAX && <p class="hint">{t("running.more", { count: numberText(found.length - SHOWN_MAX) })}</p>}
        </>
      )}
    </Loaded>
  );
}

const COLUMNS = (): Column<Job>[] => [
  { title: t("running.kind"), cell: ({ kind, place }) => <a href={to(place)}>{t(kind)}</a> },
  { title: t("running.what"), wide: true, cell: ({ what }) => what },
  { title: t("state"), cell: ({ state }) => <Badge kind="warn">{state}</Badge> },
  { title: t("progress"), cell: ({ share, what }) => share !== null && <Bar share={share} label={`${t("progress")} ${what}`} /> },
  { title: t("eta"), cell: ({ etaSeconds }) => (etaSeconds === null ? "" : durationText(etaSeconds)) },
];

async function readJobs(client: FerryClient, signal: AbortSignal): Promise<Job[]> {
  const all = await Promise.all([copies(client, signal), warmups(client, signal), own(client, signal)]);
  return all.flat();
}

async function copies(client: FerryClient, signal: AbortSignal): Promise<Job[]> {
  const { jobs } = await client.call("syncStatus", {}, signal);
  return jobs.map(({ job, store, repository, repositoryId, revision, state, doneBytes, bytes, etaSeconds }) => ({
    key: `copy ${store} ${job}`,
    kind: "running.copy",
    place: ["replication"],
    what: `${repository ?? repositoryId}@${revision.slice(0, 12)} → ${store}`,
    state: t(`replica.${state}`),
    share: bytes === 0 ? null : doneBytes / bytes,
    etaSeconds,
  }));
}

async function warmups(client: FerryClient, signal: AbortSignal): Promise<Job[]> {
  const groups = await warmthOfGroups(client, signal);
  return groups
    .flatMap((group) => group.warmups)
    .filter(({ state }) => state === "running" || state === "late")
    .map(({ warmup, repository, ref, state, nodesReady, nodesTarget, etaSeconds }) => ({
      key: `warmup ${warmup}`,
      kind: "running.warmup",
      place: ["nodes"],
      what: `${repository}@${ref}`,
      state: `${t(state === "late" ? "warmup.late" : "warmup.running")} ${nodesReady} / ${nodesTarget}`,
      share: nodesTarget === 0 ? null : nodesReady / nodesTarget,
      etaSeconds,
    }));
}

/** What the deployment does for itself has no end that is known before: it tells its phase. */
async function own(client: FerryClient, signal: AbortSignal): Promise<Job[]> {
  const [collect, rebuild, fsck] = await Promise.all([
    client.call("collectStatus", {}, signal),
    client.call("rebuildStatus", {}, signal),
    client.call("fsckStatus", {}, signal),
  ]);
  const rows = [
    { kind: "collect", run: collect.run },
    { kind: "running.rebuild", run: rebuild.run },
    { kind: "running.fsck", run: fsck.run },
  ] as const;
  return rows.flatMap(({ kind, run }) => {
    if (run === null || run.phase === "done" || run.phase === "aborted") return [];
    return [{ key: `${kind} ${run.run}`, kind, place: ["storage"], what: run.run, state: run.phase, share: null, etaSeconds: null }];
  });
}
