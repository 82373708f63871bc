/** One file of a revision. Its tensors are read from its header alone, by the chunks that hold it. */
import { useEffect, useMemo, useState } from "preact/hooks";
import type { TensorInfo } from "../../../../../shared/chunking/tensor.ts";
import { listTensors } from "../../../../../shared/chunking/tensors.ts";
import type { ContentEntry } from "../../../../../shared/manifest.ts";
import { useAct, useClient, useLoad } from "../../core/load.ts";
import { bytesText, numberText, percentText } from "../../core/text.ts";
import { t } from "../../core/words.ts";
import { Bar, Button, Bytes, type Column, Facts, Loaded, Problem, Section, Table } from "../../parts/basics.tsx";
import { Field, Pager } from "../../parts/forms.tsx";
import { type Holder, StoredChunks } from "../../stored/chunks.ts";
import { type Layout, layoutOf } from "../../stored/layout.ts";
import { chooseSink, saveFile } from "../../stored/save.ts";
import { storedSource } from "../../stored/source.ts";

const PAGE_ROWS = 100;
const MODEL = /\.(safetensors|gguf)$/i;

export function FileView({ holder, entry }: { holder: Holder; entry: ContentEntry }) {
  const client = useClient();
  const chunks = useMemo(() => new StoredChunks(client, holder), [client, holder.repository, holder.revision]);
  const layout = useLoad((asked, signal) => layoutOf(asked, holder, entry, signal), [holder.revision, entry.path]);
  return (
    <Loaded of={layout}>
      {(found) => (
        <>
          <Facts
            of={[
              [t("size"), <Bytes key="size" of={entry.size} />],
              [t("file.sha256"), <code key="sha256">{entry.sha256}</code>],
              [t("file.mode"), entry.mode === "executable" ? t("file.executable") : null],
              [t("chunks"), `${numberText(found.chunks.size)}${found.chunker === null ? "" : ` (${found.chunker})`}`],
            ]}
          />
          <Take chunks={chunks} layout={found} name={entry.path.split("/").at(-1) ?? entry.path} />
          {MODEL.test(entry.path) && <Tensors chunks={chunks} layout={found} path={entry.path} />}
        </>
      )}
    </Loaded>
  );
}

function Take({ chunks, layout, name }: { chunks: StoredChunks; layout: Layout; name: string }) {
  const [done, setDone] = useState<number | null>(null);
  const acting = useAct();
  const ending = useMemo(() => new AbortController(), []);
  useEffect(() => () => ending.abort(new DOMException("left", "AbortError")), [ending]);
  const take = () =>
    acting.run(async () => {
      const sink = await chooseSink(name, layout.sizeBytes);
      if (sink === null) return;
      let bytesDone = 0;
      setDone(0);
      const onBytes = (bytes: number) => {
        bytesDone += bytes;
        setDone(bytesDone);
      };
      await saveFile(chunks, layout, sink, { signal: ending.signal, onBytes });
    });
  return (
    <div class="take">
      <Button kind="main" onClick={take} busy={acting.busy}>
        {t("file.download")}
      </Button>
      {acting.busy && done !== null && (
        <>
          <Bar share={layout.sizeBytes === 0 ? 1 : done / layout.sizeBytes} label={t("file.download")} /> {bytesText(done)}
        </>
      )}
      {!acting.busy && done === layout.sizeBytes && <span role="status">{t("file.verified")}</span>}
      <Problem problem={acting.problem} />
    </div>
  );
}

function Tensors({ chunks, layout, path }: { chunks: StoredChunks; layout: Layout; path: string }) {
  const tensors = useLoad((_, signal) => listTensors(storedSource(chunks, layout, signal)), [path]);
  return (
    <Section title={t("tensors")}>
      <Loaded of={tensors}>{(found) => (found === null ? <p class="empty">{t("tensors.none")}</p> : <TensorTable of={found} />)}</Loaded>
    </Section>
  );
}

function TensorTable({ of }: { of: readonly TensorInfo[] }) {
  const [text, setText] = useState("");
  const [page, setPage] = useState(0);
  const found = useMemo(() => of.filter(({ name }) => name.toLowerCase().includes(text.toLowerCase())), [of, text]);
  const columns: Column<TensorInfo>[] = [
    { title: t("tensor"), wide: true, cell: ({ name }) => <code>{name}</code> },
    { title: t("dtype"), cell: ({ dtype }) => dtype },
    { title: t("shape"), cell: ({ shape }) => `[${shape.join(", ")}]` },
    { title: t("size"), right: true, cell: ({ sizeBytes }) => <Bytes of={sizeBytes} /> },
  ];
  return (
    <>
      <p>{summaryOf(of)}</p>
      <Field
        label={t("tensors.find")}
        type="search"
        value={text}
        onInput={(value) => {
          setText(value);
          setPage(0);
        }}
      />
      <Table
        caption={t("tensors")}
        columns={columns}
        rows={found.slice(page * PAGE_ROWS, (page + 1) * PAGE_ROWS)}
        keyOf={({ name }) => name}
      />
      <Pager
        next={(page + 1) * PAGE_ROWS < found.length ? "more" : null}
        before={Array.from({ length: page }, () => "more")}
        onGo={(steps) => setPage(steps.length)}
      />
    </>
  );
}

/** `291 tensors, 8.0 billion parameters: BF16 99.8%, F32 0.2%`. */
function summaryOf(tensors: readonly TensorInfo[]): string {
  const bytes = tensors.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const elements = tensors.reduce((sum, { shape }) => sum + shape.reduce((count, length) => count * length, 1), 0);
  const types = [...Map.groupBy(tensors, ({ dtype }) => dtype)].map(([dtype, some]): [string, number] => {
    return [dtype, some.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)];
  });
  const shares = types.sort(([, a], [, b]) => b - a).map(([dtype, part]) => `${dtype} ${percentText(bytes === 0 ? 0 : part / bytes)}`);
  return t("tensors.summary", { count: numberText(tensors.length), elements: numberText(elements), types: shares.join(", ") });
}
