/** OpenAPI 3.1 of the route table: schemas come from the same zod objects that parse requests. */
import * as z from "zod";
import { Problem, ROUTES, type RouteSpec } from "./routes.ts";

type Node = Record<string, unknown>;

export function openApi(version: string): Node {
  const paths: Record<string, Node> = {};
  for (const [name, route] of Object.entries(ROUTES)) {
    const path = route.path.replace(/:(\w+)/g, "{$1}");
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(name, route) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "modelferry",
      version,
      description: "Serverless repository for large models, API v1.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    paths,
    components: {
      securitySchemes: { bearer: { type: "http", scheme: "bearer", description: "A token hf_…" } },
      schemas: { Problem: jsonSchema(Problem, "output") },
      responses: {
        Problem: {
          description: "What went wrong, and what next",
          content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
        },
      },
    },
  };
}

function operation(name: string, route: RouteSpec): Node {
  const answer = route.status === 204 ? {} : { content: { "application/json": { schema: jsonSchema(route.answer, "output") } } };
  const body =
    route.body === undefined
      ? {}
      : { requestBody: { required: true, content: { "application/json": { schema: jsonSchema(route.body, "input") } } } };
  return {
    operationId: name,
    summary: route.summary,
    ...(route.needs === "public" ? { security: [] } : { security: [{ bearer: [] }] }),
    ...(route.needs === "public" || route.needs === "token" ? {} : { "x-action": route.needs }),
    parameters: [...pathParameters(route), ...queryParameters(route)],
    ...body,
    responses: { [route.status]: { description: route.summary, ...answer }, default: { $ref: "#/components/responses/Problem" } },
  };
}

function pathParameters(route: RouteSpec): Node[] {
  const known = propertiesOf(route.params);
  return [...route.path.matchAll(/:(\w+)/g)].map(([, name = ""]) => ({
    name,
    in: "path",
    required: true,
    schema: known[name] ?? { type: "string" },
  }));
}

function queryParameters(route: RouteSpec): Node[] {
  const required = new Set(route.query === undefined ? [] : (jsonSchema(route.query, "input")["required"] as string[] | undefined));
  return Object.entries(propertiesOf(route.query)).map(([name, schema]) => ({ name, in: "query", required: required.has(name), schema }));
}

function propertiesOf(schema: z.ZodType | undefined): Record<string, unknown> {
  return schema === undefined ? {} : ((jsonSchema(schema, "input")["properties"] as Record<string, unknown> | undefined) ?? {});
}

function jsonSchema(schema: z.ZodType, io: "input" | "output"): Node {
  const { $schema: _, ...node } = z.toJSONSchema(schema, {
    io,
    unrepresentable: "any",
    override({ zodSchema, jsonSchema: described }) {
      // Answers may get new members: only what is parsed strictly is closed.
      const { def } = zodSchema._zod;
      if (io === "output" && def.type === "object" && def.catchall === undefined) delete described.additionalProperties;
    },
  });
  return node;
}
