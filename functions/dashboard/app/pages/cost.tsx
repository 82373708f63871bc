/** What a push, a pull and a month cost, by what the deployment counted and what its providers ask for; as `ferry cost`. */

import { useState } from "preact/hooks";
import type { CostReport, Each, Line } from "../../../../shared/costs/estimate.ts";
import { PRICES } from "../../../../shared/costs/prices.ts";
import { readCosts } from "../../../../shared/costs/read.ts";
import { useLoad } from "../core/load.ts";
import { session } from "../core/session.ts";
import { bytesText, durationText, moneyText, numberText } from "../core/text.ts";
import { isAdmin } from "../core/usage.ts";
import { t } from "../core/words.ts";
import { type Column, Facts, Loaded, Page, Section, Table, Tile } from "../parts/basics.tsx";
import { Choice } from "../parts/forms.tsx";

export default function Cost() {
  const now = session.value;
  if (now.is !== "in" || !isAdmin(now.me)) return <Page title={t("nav.cost")}>{t("overview.noAudit")}</Page>;
  return <Administered />;
}

function Administered() {
  const [as, setAs] = useState("");
  const report = useLoad((client, signal) => readCosts(client, Date.now(), { prices: PRICES, ...(as === "" ? {} : { as }) }, signal), [as]);
  const providers = [["", t("cost.asIs")] as const, ...Object.keys(PRICES.stores).map((name) => [name, name] as const)];
  return (
    <Page title={t("nav.cost")} lead={t("cost.lead")} actions={<Choice label={t("cost.as")} value={as} of={providers} onChange={setAs} />}>
      <Loaded of={report}>{(found) => (found === null ? <p class="empty">{t("cost.none")}</p> : <Report of={found} />)}</Loaded>
    </Page>
  );
}

function Report({ of: { days, push, pull, lines, month, sources } }: { of: CostReport }) {
  const money = Object.entries(month).map(([currency, cost]) => moneyText(cost, currency));
  return (
    <>
      <div class="tiles">
        <Tile
          title={t("cost.month")}
          value={money.length === 0 ? t("cost.nothing") : money.join(" + ")}
          note={t("cost.counted", { time: durationText(days * 86_400) })}
        />
        <Tile title={t("cost.push")} value={push === null ? "–" : numberText(push.times)} note={push !== null && <EachNote of={push} />} />
        <Tile title={t("cost.pull")} value={pull === null ? "–" : numberText(pull.times)} note={pull !== null && <EachNote of={pull} />} />
      </div>
      <Section title={t("cost.bill")}>
        <Table caption={t("cost.bill")} columns={COLUMNS()} rows={lines} keyOf={({ what }) => what} />
      </Section>
      {sources.length > 0 && (
        <Section title={t("cost.sources")}>
          <Facts
            of={sources.map(({ of, source, readOn }) => [
              of,
              `${source}, ${readOn === null ? t("cost.unread") : t("cost.readOn", { day: readOn })}`,
            ])}
          />
        </Section>
      )}
    </>
  );
}

function EachNote({ of: { classA, classB, commands, indexBytes } }: { of: Each }) {
  const round = (value: number) => numberText(Number(value.toFixed(value < 10 ? 1 : 0)));
  return <>{t("cost.each", { a: round(classA), b: round(classB), commands: round(commands), bytes: bytesText(Math.round(indexBytes)) })}</>;
}

/** Small amounts have as many places as it takes to see them. */
const amountText = (amount: number) => (amount === 0 || amount >= 1 ? amount.toFixed(2) : amount.toPrecision(2));

const COLUMNS = (): Column<Line>[] => [
  { title: t("cost.what"), wide: true, cell: ({ what }) => what },
  { title: t("cost.amount"), right: true, cell: ({ amount, unit }) => `${amountText(amount)} ${unit}` },
  { title: t("cost.included"), right: true, cell: ({ included }) => (included === 0 ? "" : numberText(included)) },
  { title: t("cost.price"), right: true, cell: ({ price, currency }) => (price === null ? t("cost.notBilled") : `${price} ${currency}`) },
  { title: t("cost.cost"), right: true, cell: ({ price, cost, currency }) => (price === null ? "" : moneyText(cost, currency)) },
];
