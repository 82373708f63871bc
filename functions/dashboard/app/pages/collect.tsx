/** Collection: what the newest run found, and starting one; a dry run first. */
import { useState } from "preact/hooks";
import type { CollectRun } from "../../../../shared/contract/collect.ts";
import { useAct, useAgain, useLoad } from "../core/load.ts";
import { numberText } from "../core/text.ts";
import { t } from "../core/words.ts";
import { useNews } from "../live/news.ts";
import { Badge, Button, Bytes, Facts, Loaded, Notice, Problem, Time } from "../parts/basics.tsx";
import { Ask } from "../parts/forms.tsx";

/** A run goes on by the minute's bell. */
const AGAIN_MS = 15_000;

function isOver({ phase }: CollectRun): boolean {
  return phase === "done" || phase === "aborted";
}

export function Collect() {
  const [round, setRound] = useState(0);
  const status = useLoad((client, signal) => client.call("collectStatus", {}, signal), [round]);
  useAgain(status.reload, AGAIN_MS);
  useNews(["collect."], status.reload);
  const stepping = useAct();
  const changed = () => setRound(round + 1);
  return (
    <Loaded of={status}>
      {({ run, busy }) => {
        const running = run !== null && !isOver(run);
        return (
          <>
            {run === null ? <p class="empty">{t("collect.none")}</p> : <RunFacts of={run} />}
            <Problem problem={stepping.problem} />
            {busy && <Notice>{t("collect.busy")}</Notice>}
            <div class="actions">
              {!running && <Start dryRun onDone={changed} />}
              {!running && <Start dryRun={false} onDone={changed} />}
              {running && (
                <Button
                  kind="main"
                  busy={stepping.busy}
                  onClick={() =>
                    stepping.run(async (client) => {
                      await client.call("stepCollect", {});
                      changed();
                    })
                  }
                >
                  {t("collect.step")}
                </Button>
              )}
              {running && run !== null && (
                <Ask
                  open={t("collect.cancel")}
                  title={t("collect.cancel")}
                  act={t("collect.cancel")}
                  kind="danger"
                  onAct={async (client) => {
                    await client.call("cancelCollect", { params: { run: run.run } });
                  }}
                  onDone={changed}
                >
                  <p>{t("collect.cancel.text")}</p>
                </Ask>
              )}
            </div>
          </>
        );
      }}
    </Loaded>
  );
}

function Start({ dryRun, onDone }: { dryRun: boolean; onDone: () => void }) {
  return (
    <Ask
      open={t(dryRun ? "collect.dryRun" : "collect.start")}
      title={t(dryRun ? "collect.dryRun" : "collect.start")}
      act={t("start")}
      kind={dryRun ? "main" : "danger"}
      onAct={async (client) => {
        await client.call("startCollect", { body: { dryRun } });
      }}
      onDone={onDone}
    >
      <p>{t(dryRun ? "collect.dryRun.text" : "collect.start.text")}</p>
    </Ask>
  );
}

function RunFacts({ of }: { of: CollectRun }) {
  const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());
  return (
    <Facts
      of={[
        [
          t("state"),
          <span key="state">
            <Badge kind={of.phase === "aborted" ? "bad" : of.phase === "done" ? "good" : "warn"}>{t(`collect.phase.${of.phase}`)}</Badge>
            {of.dryRun && <Badge>{t("collect.isDry")}</Badge>}
          </span>,
        ],
        [t("collect.startedAt"), <Time key="started" at={iso(of.startedAtMs)} />],
        [t("collect.endedAt"), of.endedAtMs === null ? null : <Time key="ended" at={iso(of.endedAtMs)} />],
        [
          t("collect.scanned"),
          <span key="scanned">
            {`${numberText(of.chunks)} · `}
            <Bytes of={of.chunkBytes} />
          </span>,
        ],
        [
          t("collect.garbage"),
          <span key="garbage">
            {`${numberText(of.garbage)} · `}
            <Bytes of={of.garbageBytes} />
          </span>,
        ],
        [t("collect.missing"), of.missing === 0 ? null : numberText(of.missing)],
        [t("collect.deleted"), numberText(of.deleted)],
        [t("collect.problem"), of.problem],
      ]}
    />
  );
}
