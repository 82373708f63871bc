/** What changed between two revisions: files, and bytes by chunk. */
import { useState } from "preact/hooks";
import type { Diff } from "../../../../../shared/contract/lifecycle.ts";
import { useLoad } from "../../core/load.ts";
import { refine } from "../../core/route.ts";
import { numberText } from "../../core/text.ts";
import { t } from "../../core/words.ts";
import { Badge, Button, Bytes, type Column, Id, Loaded, Notice, Table, Tile } from "../../parts/basics.tsx";
import { Field, Form } from "../../parts/forms.tsx";
import type { TabProps } from "./repository.tsx";

type Change = Diff["changes"][number];

export function CompareTab({ repository: { repository }, revision, query }: TabProps) {
  const base = query.get("base") ?? "";
  const [typed, setTyped] = useState(base);
  if (revision === null) return <p class="empty">{t("empty")}</p>;
  return (
    <>
      <Form onSend={() => refine({ base: typed.trim() })}>
        <Field label={t("compare.base")} value={typed} onInput={setTyped} hint={t("compare.base.hint")} />
        <Button type="submit">{t("compare")}</Button>
      </Form>
      <Compared key={base} repository={repository} revision={revision.revision} base={base} />
    </>
  );
}

function Compared({ repository, revision, base }: { repository: TabProps["repository"]["repository"]; revision: string; base: string }) {
  const diff = useLoad(
    (client, signal) => client.call("diff", { repository, params: { ref: revision }, query: base === "" ? {} : { base } }, signal),
    [revision, base],
  );
  return (
    <Loaded of={diff}>
      {(found) => (
        <>
          <p>
            {found.base === null ? t("compare.nothing") : <Id id={found.base} />} → <Id id={found.revision} />
          </p>
          <div class="tiles">
            <Tile title={t("compare.shared")} value={<Bytes of={found.bytes.shared} />} />
            <Tile title={t("compare.new")} value={<Bytes of={found.bytes.new} />} />
            <Tile title={t("compare.gone")} value={<Bytes of={found.bytes.gone} />} />
            <Tile title={t("compare.unchanged")} value={numberText(found.files.unchanged)} />
          </div>
          {found.more && <Notice>{t("compare.more", { count: found.changes.length })}</Notice>}
          <Table caption={t("tab.compare")} columns={COLUMNS()} rows={found.changes} keyOf={({ path }) => path} empty={t("compare.same")} />
        </>
      )}
    </Loaded>
  );
}

const KINDS = { added: "good", removed: "bad", changed: "warn" } as const;

const COLUMNS = (): Column<Change>[] => [
  { title: t("change"), cell: ({ change }) => <Badge kind={KINDS[change]}>{t(`change.${change}`)}</Badge> },
  { title: t("file"), wide: true, cell: ({ path }) => path },
  { title: t("compare.before"), right: true, cell: ({ sizeBefore }) => (sizeBefore === null ? "" : <Bytes of={sizeBefore} />) },
  { title: t("compare.after"), right: true, cell: ({ sizeAfter }) => (sizeAfter === null ? "" : <Bytes of={sizeAfter} />) },
];
