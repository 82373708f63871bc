/** The API, made from this deployment's own /openapi.json: every call, what it takes and what it answers. */
import { useState } from "preact/hooks";
import * as z from "zod";
import { FerryError } from "../../../../shared/errors.ts";
import { useLoad } from "../core/load.ts";
import { t } from "../core/words.ts";
import { Badge, type Column, Loaded, Page, Section, Table } from "../parts/basics.tsx";
import { Field, Snippet } from "../parts/forms.tsx";

const Content = z.record(z.string(), z.object({ schema: z.unknown() }));
const Parameter = z.object({
  name: z.string(),
  in: z.string(),
  required: z.boolean().optional(),
  schema: z.unknown(),
  description: z.string().optional(),
});
const Operation = z.object({
  operationId: z.string(),
  summary: z.string(),
  "x-action": z.string().optional(),
  security: z.array(z.unknown()).optional(),
  parameters: z.array(Parameter).default([]),
  requestBody: z.object({ content: Content }).optional(),
  responses: z.record(z.string(), z.object({ content: Content.optional() })),
});
const Document = z.object({ info: z.object({ version: z.string() }), paths: z.record(z.string(), z.record(z.string(), Operation)) });
type Call = z.infer<typeof Operation> & { method: string; path: string };

export default function Docs() {
  const [text, setText] = useState("");
  const calls = useLoad((_, signal) => readCalls(signal), []);
  return (
    <Page title={t("docs.title")} lead={<a href="/openapi.json">OpenAPI 3.1</a>}>
      <Field label={t("docs.find")} type="search" value={text} onInput={setText} />
      <Loaded of={calls}>
        {(found) => {
          const wanted = text.toLowerCase();
          return found
            .filter(({ method, path, summary, operationId }) =>
              `${method} ${path} ${summary} ${operationId}`.toLowerCase().includes(wanted),
            )
            .map((call) => <CallView key={call.operationId} call={call} />);
        }}
      </Loaded>
    </Page>
  );
}

async function readCalls(signal: AbortSignal): Promise<Call[]> {
  const response = await fetch("/openapi.json", { signal });
  const parsed = Document.safeParse(await response.json());
  if (!parsed.success) throw new FerryError("ANSWER_INVALID", { endpoint: location.origin, problem: "it is no OpenAPI document of ours" });
  return Object.entries(parsed.data.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ ...operation, method: method.toUpperCase(), path })),
  );
}

function CallView({ call }: { call: Call }) {
  const [open, setOpen] = useState(false);
  return (
    <details class="call" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <Badge>{call.method}</Badge> <code>{call.path}</code> {call.summary}
      </summary>
      {open && <CallDetails call={call} />}
    </details>
  );
}

const PARAMETERS = (): Column<z.infer<typeof Parameter>>[] => [
  { title: t("name"), cell: ({ name, required }) => <code>{`${name}${required === true ? "" : "?"}`}</code> },
  { title: t("docs.in"), cell: (parameter) => parameter.in },
  { title: t("dtype"), wide: true, cell: ({ schema }) => <code>{JSON.stringify(schema)}</code> },
];

function CallDetails({ call }: { call: Call }) {
  const body = call.requestBody?.content["application/json"]?.schema;
  const answers = Object.entries(call.responses).filter(([status]) => status !== "default");
  return (
    <>
      <p>
        {t("docs.needs")} <Badge>{call["x-action"] ?? (call.security?.length === 0 ? t("docs.public") : t("docs.token"))}</Badge>{" "}
        <code>{call.operationId}</code>
      </p>
      {call.parameters.length > 0 && (
        <Table
          caption={t("docs.parameters")}
          columns={PARAMETERS()}
          rows={call.parameters}
          keyOf={(parameter) => `${parameter.in} ${parameter.name}`}
        />
      )}
      {body !== undefined && (
        <Section title={t("docs.body")}>
          <Snippet title="application/json" text={JSON.stringify(body, null, 2)} />
        </Section>
      )}
      {answers.map(([status, { content }]) => {
        const schema = content?.["application/json"]?.schema;
        return (
          <Section key={status} title={t("docs.answer", { status })}>
            {schema === undefined ? (
              <p class="faint">{t("docs.nothing")}</p>
            ) : (
              <Snippet title="application/json" text={JSON.stringify(schema, null, 2)} />
            )}
          </Section>
        );
      })}
    </>
  );
}
