/** What needs somebody, as `ferry doctor` would say it, in the reader's language. */
import type { FerryClient } from "../../../../shared/client.ts";
import { CHECKS, type CheckName, check } from "../../../../shared/health/checks.ts";
import { filled, TROUBLES, type Trouble } from "../../../../shared/health/troubles.ts";
import { to } from "../core/address.ts";
import { useAgain, useLoad } from "../core/load.ts";
import { language, t } from "../core/words.ts";
import { useNews } from "../live/news.ts";
import { ZH_TROUBLES } from "../words/zh-troubles.ts";
import { Loaded, Notice, Problem } from "./basics.tsx";

const AGAIN_MS = 60_000;
const NEWS = ["replica.", "warmup.", "collect.", "index.", "webhook.disabled", "token."];

type Found = { troubles: Trouble[]; problems: unknown[] };

export function Alerts() {
  const found = useLoad(lookAtAll, []);
  useAgain(found.reload, AGAIN_MS);
  useNews(NEWS, found.reload);
  return (
    <Loaded of={found}>
      {({ troubles, problems }) => (
        <>
          {troubles.length + problems.length === 0 && <p class="empty">{t("overview.fine")}</p>}
          {problems.map((problem) => (
            <Problem key={String(problem)} problem={problem} />
          ))}
          {troubles.map((trouble) => (
            <Told key={`${trouble.code} ${JSON.stringify(trouble.values)}`} trouble={trouble} />
          ))}
        </>
      )}
    </Loaded>
  );
}

function Told({ trouble: { code, values } }: { trouble: Trouble }) {
  const { severity, place } = TROUBLES[code];
  const { text, next } = language.value === "zh" ? ZH_TROUBLES[code] : TROUBLES[code];
  const said = filled(text, values);
  return (
    <Notice kind={severity === "fail" ? "bad" : "warn"}>
      <strong>{said.charAt(0).toUpperCase() + said.slice(1)}</strong> <span class="next">{filled(next, values)}</span>{" "}
      <a href={to([place])}>{t("overview.look")}</a>
    </Notice>
  );
}

/** A check that fails is told; the others still are. */
async function lookAtAll(client: FerryClient, signal: AbortSignal): Promise<Found> {
  const looking = { client, nowMs: Date.now(), thorough: false, signal };
  const names = Object.keys(CHECKS) as CheckName[];
  const done = await Promise.allSettled(names.map((name) => check(name, looking)));
  signal.throwIfAborted();
  return {
    troubles: done.flatMap((one) => (one.status === "fulfilled" ? (one.value?.troubles ?? []) : [])),
    problems: done.flatMap((one) => (one.status === "rejected" ? [one.reason] : [])),
  };
}
