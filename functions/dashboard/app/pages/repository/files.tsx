/** The files of a revision, folder by folder, and one file: what it is made of, its tensors, its bytes for taking. */
import { useState } from "preact/hooks";
import type { FerryClient } from "../../../../../shared/client.ts";
import { type ContentEntry, type FileEntry, parseManifest } from "../../../../../shared/manifest.ts";
import { to } from "../../core/address.ts";
import { useLoad } from "../../core/load.ts";
import { t } from "../../core/words.ts";
import { Bytes, type Column, Id, Loaded, Table } from "../../parts/basics.tsx";
import { Pager } from "../../parts/forms.tsx";
import { FileView } from "./file.tsx";
import type { TabProps } from "./repository.tsx";

/** Lines at once: a folder may have 100,000. */
const PAGE_ROWS = 200;

export function FilesTab({ repository: { repository }, revision, refName, query }: TabProps) {
  const path = query.get("path") ?? "";
  const files = useLoad(
    async (client: FerryClient, signal) => {
      if (revision === null) return [];
      const answer = await client.call("manifest", { repository, params: { ref: revision.revision } }, signal);
      return (await parseManifest(answer.manifest, revision.manifest)).files;
    },
    [revision?.revision],
  );
  if (revision === null) return <p class="empty">{t("empty")}</p>;
  const link = (target: string) => to(["repositories", ...repository.split("/"), "files"], { ref: refName, path: target });
  return (
    <Loaded of={files}>
      {(all) => {
        const file = all.find((entry) => entry.path === path);
        const shown =
          file === undefined || file.mode === "link" ? (
            <Folder key={path} rows={rowsIn(all, path)} link={link} />
          ) : (
            <FileView key={path} holder={{ repository, revision: revision.revision }} entry={file} />
          );
        return (
          <>
            <Crumbs path={path} link={link} />
            {shown}
          </>
        );
      }}
    </Loaded>
  );
}

type Row = { name: string; path: string; folder: boolean; sizeBytes: number; files: number; entry: FileEntry | null };

/** Folders first; what is below one is summed up. */
function rowsIn(files: readonly FileEntry[], path: string): Row[] {
  const prefix = path === "" ? "" : `${path}/`;
  const rows = new Map<string, Row>();
  for (const entry of files) {
    if (!entry.path.startsWith(prefix)) continue;
    const rest = entry.path.slice(prefix.length);
    const slash = rest.indexOf("/");
    const name = slash < 0 ? rest : rest.slice(0, slash);
    const row = rows.get(name) ?? {
      name,
      path: prefix + name,
      folder: slash >= 0,
      sizeBytes: 0,
      files: 0,
      entry: slash < 0 ? entry : null,
    };
    row.sizeBytes += sizeOf(entry);
    row.files++;
    rows.set(name, row);
  }
  return [...rows.values()].sort((a, b) => Number(b.folder) - Number(a.folder) || (a.name < b.name ? -1 : 1));
}

function sizeOf(entry: FileEntry): number {
  return entry.mode === "link" ? 0 : entry.size;
}

function Folder({ rows, link }: { rows: Row[]; link: (path: string) => string }) {
  const [page, setPage] = useState(0);
  const columns: Column<Row>[] = [
    {
      title: t("file"),
      wide: true,
      cell: ({ name, path, folder, entry }) => {
        if (entry?.mode === "link") return `${name} → ${entry.target}`;
        return <a href={link(path)}>{folder ? `${name}/` : name}</a>;
      },
    },
    { title: t("size"), right: true, cell: ({ sizeBytes }) => <Bytes of={sizeBytes} /> },
    {
      title: t("digest"),
      cell: ({ entry, files }) =>
        isContent(entry) ? <Id id={entry.sha256} /> : entry === null ? t("repository.files", { count: files }) : "",
    },
  ];
  const last = (page + 1) * PAGE_ROWS >= rows.length;
  const before = Array.from({ length: page }, (_, at) => String(at));
  return (
    <>
      <Table
        caption={t("tab.files")}
        columns={columns}
        rows={rows.slice(page * PAGE_ROWS, (page + 1) * PAGE_ROWS)}
        keyOf={({ path }) => path}
      />
      <Pager next={last ? null : String(page)} before={before} onGo={(steps) => setPage(steps.length)} />
    </>
  );
}

function isContent(entry: FileEntry | null): entry is ContentEntry {
  return entry !== null && entry.mode !== "link";
}

function Crumbs({ path, link }: { path: string; link: (path: string) => string }) {
  const parts = path === "" ? [] : path.split("/");
  return (
    <nav class="crumbs" aria-label={t("folder")}>
      <a href={link("")}>{t("files.root")}</a>
      {parts.map((part, at) => (
        <span key={`${at} ${part}`}>
          {" / "}
          {at === parts.length - 1 ? <span aria-current="page">{part}</span> : <a href={link(parts.slice(0, at + 1).join("/"))}>{part}</a>}
        </span>
      ))}
    </nav>
  );
}
