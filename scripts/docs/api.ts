/** The route table as it is read: by capability, with what each call takes. The whole schemas are in `/openapi.json`. */
import { openApi } from "../../shared/contract/openapi.ts";
import { REPOSITORY_PATH } from "../../shared/contract/repositories.ts";
import { ROUTES, type RouteName, type RouteSpec } from "../../shared/contract/routes.ts";
import { VERSION } from "../cli/version.ts";
import { row, table } from "./table.ts";

/** The first whose pattern fits a route's path has the route. */
const CAPABILITIES: readonly [title: string, pattern: RegExp][] = [
  ["Push: uploads, tickets, commits", /\/uploads(\/|$)/],
  ["Push by many ranks", /\/sessions(\/|$)/],
  ["Pull", /\/revisions\/:ref(\/(manifest|recipes|downloads))?$/],
  ["Tags and branches", /\/(tags|branches)\//],
  ["History, labels, searches, copies", /(\/revisions|\/diff|\/labels|\/clones)$/],
  ["Signatures", /\/(signatures|keys)(\/|$)/],
  ["Trash", /\/trash(\/|$)/],
  ["Warm-ups and agents", /\/(warmups|warmth|agents|tickets)(\/|$)/],
  ["Replication and executors", /\/(policies|sync|replicas|jobs|tasks|promote)(\/|$)/],
  ["Events and webhooks", /\/(events|webhooks|webhook-sources)(\/|$)/],
  ["Tokens, identities, people", /\/(whoami|tokens|identity|users)(\/|$)/],
  ["Audit", /\/audit(\/|$)/],
  ["Collection, recovery, fsck", /\/(collect|rebuild|index|fsck)(\/|$)/],
  ["Stores", /\/stores(\/|$)/],
  ["Repositories, their settings, usage", /\/(repositories|usage)(\/|$)/],
  ["The deployment", /./],
];

export function routesText(): string {
  return CAPABILITIES.map(([title]) => {
    const rows = namesOf(title).map((name) => routeRow(name));
    return `### ${title}\n\n${table(["call", "what", "needs", "takes"], rows)}\n`;
  }).join("\n");
}

function namesOf(title: string): RouteName[] {
  return (Object.keys(ROUTES) as RouteName[]).filter(
    (name) => CAPABILITIES.find(([, pattern]) => pattern.test(ROUTES[name].path))?.[0] === title,
  );
}

function routeRow(name: RouteName): string {
  const { method, path, summary, needs, status, ...route }: RouteSpec = ROUTES[name];
  const need = route.deployment ? `${needs} on \`*\`` : needs;
  return row([`\`${method} ${path.replace(REPOSITORY_PATH, "{repository}")}\` → ${status}`, summary, need, takes(name)]);
}

type Schema = { properties?: Record<string, unknown>; required?: string[] };
type Operation = {
  operationId: string;
  parameters: { name: string; in: string; required: boolean }[];
  requestBody?: { content: { "application/json": { schema: Schema } } };
};

const OPERATIONS = new Map(
  Object.values(openApi(VERSION)["paths"] as Record<string, Record<string, Operation>>)
    .flatMap((path) => Object.values(path))
    .map((operation) => [operation.operationId, operation]),
);

/** Members of the query and of the body; `?`: may be left out. */
function takes(name: RouteName): string {
  const operation = OPERATIONS.get(name);
  const query = (operation?.parameters ?? []).filter((parameter) => parameter.in === "query");
  const schema = operation?.requestBody?.content["application/json"].schema;
  const required = new Set(schema?.required ?? []);
  const parts = [
    ["query", query.map((parameter) => member(parameter.name, parameter.required))],
    ["body", Object.keys(schema?.properties ?? {}).map((key) => member(key, required.has(key)))],
  ] as const;
  return parts
    .filter(([, members]) => members.length > 0)
    .map(([where, members]) => `${where}: ${members.join(", ")}`)
    .join("; ");
}

function member(name: string, isRequired: boolean): string {
  return `\`${name}${isRequired ? "" : "?"}\``;
}
