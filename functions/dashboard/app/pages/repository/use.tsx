/** Lines that take this revision into use elsewhere. Tokens are never written into them: they come from the environment. */
import { t } from "../../core/words.ts";
import { Section } from "../../parts/basics.tsx";
import { Snippet } from "../../parts/forms.tsx";
import type { TabProps } from "./repository.tsx";

export function UseTab({ repository: { repository }, refName }: TabProps) {
  const endpoint = location.origin;
  const name = repository.split("/")[1] ?? "model";
  const lines = (...all: string[]) => all.join("\n");
  return (
    <>
      <p>{t("use.lead")}</p>
      <Section title="ferry">
        <Snippet
          title={t("use.pull")}
          text={lines(`export FERRY_ENDPOINT=${endpoint} FERRY_TOKEN=…`, `ferry pull ${repository}@${refName} ./${name}`)}
        />
        <Snippet title={t("use.push")} text={`ferry push ./${name} ${repository}`} />
      </Section>
      <Section title={t("use.others")}>
        <Snippet
          title="Hugging Face (hf)"
          text={lines(
            `export HF_ENDPOINT=${endpoint} HF_TOKEN=$FERRY_TOKEN HF_HUB_DISABLE_XET=1`,
            `hf download ${repository} --revision ${refName} --local-dir ./${name}`,
          )}
        />
        <Snippet
          title="vLLM"
          text={lines(
            `export HF_ENDPOINT=${endpoint} HF_TOKEN=$FERRY_TOKEN HF_HUB_DISABLE_XET=1`,
            `vllm serve ${repository} --revision ${refName}`,
          )}
        />
        <Snippet
          title="curl"
          text={`curl -fL -H "Authorization: Bearer $FERRY_TOKEN" ${endpoint}/${repository}/resolve/${encodeURIComponent(refName)}/config.json -o config.json`}
        />
        <Snippet title="KServe" text={kserve(endpoint, repository, refName)} />
      </Section>
    </>
  );
}

function kserve(endpoint: string, repository: string, refName: string): string {
  return `apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: { name: ${(repository.split("/")[1] ?? "model").toLowerCase().replace(/[^a-z0-9-]/g, "-")} }
spec:
  predictor:
    model:
      modelFormat: { name: huggingface }
      storageUri: hf://${repository}:${refName}
      env:
        - { name: HF_ENDPOINT, value: ${endpoint} }
        - name: HF_TOKEN
          valueFrom: { secretKeyRef: { name: modelferry, key: token } }`;
}
