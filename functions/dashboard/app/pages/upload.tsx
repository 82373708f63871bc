/** Uploads from the browser: a folder is dropped or chosen, and becomes a revision. Its chunks go straight to the store. */
import { useEffect, useRef, useState } from "preact/hooks";
import { DEFAULT_BRANCH } from "../../../../shared/contract/repositories.ts";
import { RefName, RepositoryName } from "../../../../shared/names.ts";
import type { PushResult } from "../../../../shared/transfer/contract.ts";
import { to } from "../core/address.ts";
import { useClient } from "../core/load.ts";
import { bytesText, durationText, numberText } from "../core/text.ts";
import { t } from "../core/words.ts";
import { Bar, Button, Notice, Page, Problem } from "../parts/basics.tsx";
import { Field, Form } from "../parts/forms.tsx";
import type { DroppedFile } from "../upload/browser-source.ts";
import { chosenFiles, droppedFiles } from "../upload/dropped.ts";
import { startUpload, type UploadState, upload } from "../upload/run.ts";
import type { PageProps } from "./navigation.ts";

export default function Upload({ query }: PageProps) {
  const state = upload.value;
  return (
    <Page title={t("nav.upload")} lead={t("upload.lead")}>
      {!isSecureContext && <Notice kind="warn">{t("upload.insecure")}</Notice>}
      {state.is === "running" ? <Running state={state} /> : <Choose state={state} repository={query.get("repository") ?? ""} />}
    </Page>
  );
}

function Choose({ state, repository: first }: { state: Exclude<UploadState, { is: "running" }>; repository: string }) {
  const client = useClient();
  const [repository, setRepository] = useState(state.is === "failed" ? state.uploading.repository : first);
  const [branch, setBranch] = useState<string>(state.is === "failed" ? state.uploading.branch : DEFAULT_BRANCH);
  const [message, setMessage] = useState(state.is === "failed" ? state.uploading.message : "");
  const [files, setFiles] = useState<readonly DroppedFile[]>(state.is === "failed" ? state.uploading.files : []);
  const [problem, setProblem] = useState<unknown>(null);
  const send = () => {
    const name = RepositoryName.safeParse(repository.trim());
    const ref = RefName.safeParse(branch.trim());
    if (!name.success || !ref.success) return setProblem(new Error(t(name.success ? "upload.badBranch" : "upload.badRepository")));
    setProblem(null);
    void startUpload(client, { repository: name.data, branch: ref.data, message, files });
  };
  return (
    <>
      {state.is === "done" && <Done result={state.result} />}
      {state.is === "failed" && <Problem problem={state.problem} />}
      <Form onSend={send}>
        <div class="fields">
          <Field
            label={t("repository")}
            value={repository}
            onInput={setRepository}
            placeholder="team/model"
            hint={t("upload.repository.hint")}
            required
          />
          <Field label={t("branch")} value={branch} onInput={setBranch} hint={t("upload.branch.hint")} required />
        </div>
        <Field label={t("message")} value={message} onInput={setMessage} />
        <DropZone files={files} onFiles={setFiles} onProblem={setProblem} />
        <Problem problem={problem} />
        <Button type="submit" kind="main" disabled={files.length === 0}>
          {t("upload.act")}
        </Button>
      </Form>
    </>
  );
}

type DropProps = { files: readonly DroppedFile[]; onFiles: (files: readonly DroppedFile[]) => void; onProblem: (problem: unknown) => void };

function DropZone({ files, onFiles, onProblem }: DropProps) {
  const [over, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    // Preact's types don't know it.
    if (input.current !== null) input.current.webkitdirectory = true;
  }, []);
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    if (event.dataTransfer !== null) droppedFiles(event.dataTransfer).then(onFiles, onProblem);
  };
  const drag = (event: DragEvent) => {
    event.preventDefault();
    setOver(true);
  };
  const sizeBytes = files.reduce((sum, { file }) => sum + file.size, 0);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: who can't drag chooses with the button inside.
    <div class={over ? "drop over" : "drop"} onDragOver={drag} onDragEnter={drag} onDragLeave={() => setOver(false)} onDrop={drop}>
      <p role="status">
        {files.length === 0 ? t("upload.drop") : t("upload.chosen", { count: numberText(files.length), size: bytesText(sizeBytes) })}
      </p>
      <input
        ref={input}
        type="file"
        class="hidden"
        tabIndex={-1}
        aria-label={t("upload.choose")}
        multiple
        onChange={(event) => event.currentTarget.files !== null && onFiles(chosenFiles(event.currentTarget.files))}
      />
      <Button onClick={() => input.current?.click()}>{t("upload.choose")}</Button>
    </div>
  );
}

function Running({ state }: { state: UploadState & { is: "running" } }) {
  const { progress, uploading, startedAtMs, stop } = state;
  const share = progress === null || progress.bytesTotal === 0 ? 0 : progress.bytesDone / progress.bytesTotal;
  const seconds = (Date.now() - startedAtMs) / 1000;
  return (
    <div class="tile">
      <p>
        {uploading.repository} · {uploading.branch}
      </p>
      <Bar share={share} label={t("upload.progress")} />
      <p>{t(`upload.phase.${progress?.phase ?? "listing"}`)}</p>
      {progress !== null && (
        <p>
          {t("upload.figures", {
            done: bytesText(progress.bytesDone),
            total: bytesText(progress.bytesTotal),
            sent: bytesText(progress.bytesMoved),
            files: numberText(progress.filesDone),
            of: numberText(progress.filesTotal),
            left: share > 0.01 ? durationText((seconds * (1 - share)) / share) : "…",
          })}
        </p>
      )}
      <Button kind="danger" onClick={stop}>
        {t("cancel")}
      </Button>
      <p class="hint">{t("upload.resume")}</p>
    </div>
  );
}

function Done({ result }: { result: PushResult }) {
  const { repository, revision, files, bytesTotal, bytesMoved, seconds } = result;
  return (
    <Notice kind="good">
      {t("upload.done", {
        files: numberText(files),
        total: bytesText(bytesTotal),
        sent: bytesText(bytesMoved),
        time: durationText(seconds),
      })}{" "}
      <a href={to(["repositories", ...repository.split("/"), "files"], { ref: revision.revision })}>{t("upload.show")}</a>
    </Notice>
  );
}
