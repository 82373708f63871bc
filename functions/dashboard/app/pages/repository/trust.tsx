/** What speaks for a revision, and what against it: signatures, and what its uploader found in the files. */
import type { RevisionSummary } from "../../../../../shared/contract/repositories.ts";
import type { RepositoryName } from "../../../../../shared/names.ts";
import { useLoad } from "../../core/load.ts";
import { t } from "../../core/words.ts";
import { Badge, Loaded, Section } from "../../parts/basics.tsx";

export function Trust({ repository, revision }: { repository: RepositoryName; revision: RevisionSummary }) {
  const signed = useLoad(
    (client, signal) => client.call("listSignatures", { repository, params: { ref: revision.revision } }, signal),
    [revision.revision],
  );
  return (
    <Section title={t("trust")}>
      <Contents of={revision.content} />
      <Loaded of={signed}>
        {({ signatures }) =>
          signatures.length === 0 ? (
            <p class="faint">{t("trust.unsigned")}</p>
          ) : (
            <ul>
              {signatures.map(({ key }) => (
                <li key={key.id}>
                  {t("trust.signed", { name: key.name })} {key.revokedAt !== null && <Badge kind="bad">{t("tokens.revoked")}</Badge>}
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </Section>
  );
}

function Contents({ of }: { of: RevisionSummary["content"] }) {
  if (of === undefined) return <p class="faint">{t("trust.unknown")}</p>;
  if (of.unsafe === 0 && of.secrets === 0) return <p>{t("trust.clean", { count: of.files })}</p>;
  return (
    <>
      {of.unsafe > 0 && (
        <p>
          <Badge kind={of.dangerous > 0 ? "bad" : "warn"}>{t("trust.unsafe", { count: of.unsafe })}</Badge>
        </p>
      )}
      {of.secrets > 0 && (
        <p>
          <Badge kind="bad">{t("trust.secrets", { count: of.secrets })}</Badge>
        </p>
      )}
      <ul>
        {of.listed.map(({ path, imports }) => (
          <li key={path}>
            {path} {imports.length > 0 && <code>{imports.join(", ")}</code>}
          </li>
        ))}
      </ul>
    </>
  );
}
