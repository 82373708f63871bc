/** The model card: README.md of the revision, made harmless; and what the revision says of itself. */
import type { FerryClient } from "../../../../../shared/client.ts";
import type { RevisionSummary } from "../../../../../shared/contract/repositories.ts";
import { contentEntries, parseManifest } from "../../../../../shared/manifest.ts";
import type { RepositoryName } from "../../../../../shared/names.ts";
import { useLoad } from "../../core/load.ts";
import { t } from "../../core/words.ts";
import { type Card, parseCard } from "../../markdown/parse.ts";
import { Blocks } from "../../markdown/render.tsx";
import { Bytes, Facts, Id, Loaded, Section, Time } from "../../parts/basics.tsx";
import { StoredChunks } from "../../stored/chunks.ts";
import { layoutOf } from "../../stored/layout.ts";
import { storedSource } from "../../stored/source.ts";
import type { TabProps } from "./repository.tsx";
import { Trust } from "./trust.tsx";

/** A longer card is shown up to here. */
const CARD_BYTES_MAX = 512 * 1024;

export function CardTab({ repository, revision }: TabProps) {
  if (revision === null) return <p class="empty">{t("card.nothing", { repository: repository.repository })}</p>;
  return (
    <div class="split">
      <CardText repository={repository.repository} revision={revision} />
      <aside>
        <About revision={revision} />
        <Trust repository={repository.repository} revision={revision} />
      </aside>
    </div>
  );
}

function CardText({ repository, revision }: { repository: RepositoryName; revision: RevisionSummary }) {
  const card = useLoad((client, signal) => readCard(client, repository, revision, signal), [revision.revision]);
  return (
    <article class="card">
      <Loaded of={card}>
        {(found) =>
          found.card === null ? (
            <p class="empty">{t("card.none")}</p>
          ) : (
            <>
              {found.card.about.length > 0 && <Facts of={found.card.about} />}
              <Blocks of={found.card.blocks} />
            </>
          )
        }
      </Loaded>
    </article>
  );
}

async function readCard(
  client: FerryClient,
  repository: RepositoryName,
  revision: RevisionSummary,
  signal: AbortSignal,
): Promise<{ card: Card | null }> {
  const answer = await client.call("manifest", { repository, params: { ref: revision.revision } }, signal);
  const manifest = await parseManifest(answer.manifest, revision.manifest);
  const entry = contentEntries(manifest).find(({ path }) => path.toLowerCase() === "readme.md");
  if (entry === undefined || entry.size === 0) return { card: null };
  const holder = { repository, revision: revision.revision };
  const source = storedSource(new StoredChunks(client, holder), await layoutOf(client, holder, entry, signal), signal);
  const bytes = await source.read(0, Math.min(entry.size, CARD_BYTES_MAX));
  return { card: parseCard(new TextDecoder().decode(bytes)) };
}

function About({ revision }: { revision: RevisionSummary }) {
  const pairs = (words: Readonly<Record<string, string>>) => Object.entries(words).sort(([a], [b]) => (a < b ? -1 : 1));
  const { source } = revision;
  return (
    <>
      <Section title={t("revision")}>
        <Facts
          of={[
            [t("id"), <Id key="id" id={revision.revision} />],
            [t("branch"), revision.branch],
            [t("author"), revision.author],
            [t("time"), <Time key="time" at={revision.time} />],
            [t("message"), revision.message === "" ? null : revision.message],
            [t("size"), <Bytes key="size" of={revision.sizeBytes} />],
            [t("newBytes"), <Bytes key="new" of={revision.newBytes} />],
            [t("chunks"), String(revision.chunkCount)],
            [t("source.host"), source.host ?? null],
            [t("source.job"), source.job ?? null],
            [t("source.git"), source.git ?? null],
            [t("source.framework"), source.framework ?? null],
          ]}
        />
      </Section>
      {Object.keys(revision.labels).length > 0 && (
        <Section title={t("labels")}>
          <Facts of={pairs(revision.labels)} />
        </Section>
      )}
      {Object.keys(revision.metrics).length > 0 && (
        <Section title={t("metrics")}>
          <Facts of={pairs(revision.metrics)} />
        </Section>
      )}
    </>
  );
}
