import assert from "node:assert/strict";
import { test } from "node:test";
import { ENDPOINT, memoryApp } from "../../support/memory-app.ts";
import { isObject } from "./json-places.ts";
import { type JsonObject, makeWorld, ROUTE_NAMES, routeOf } from "./requests.ts";

async function read(): Promise<JsonObject> {
  const app = await memoryApp();
  const response = await app.fetch(`${ENDPOINT}/openapi.json`);
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type") ?? "", /^application\/json/);
  return (await response.json()) as JsonObject;
}

const DOCUMENT = await read();

function member(holder: unknown, ...keys: string[]): unknown {
  return keys.reduce<unknown>((value, key) => {
    assert.ok(isObject(value) && Object.hasOwn(value, key), `${key} of ${keys.join(" ")}`);
    return value[key];
  }, holder);
}

type Operation = { at: string; method: string; operation: JsonObject };

const OPERATIONS: Operation[] = Object.entries(member(DOCUMENT, "paths") as JsonObject).flatMap(([at, item]) =>
  Object.entries(item as JsonObject).map(([method, operation]) => ({ at, method, operation: operation as JsonObject })),
);

test("the document is OpenAPI 3.1 with all that it requires, and no key that it does not know", () => {
  assert.match(String(DOCUMENT["openapi"]), /^3\.1\.\d+$/);
  const roots = new Set([
    "openapi",
    "info",
    "jsonSchemaDialect",
    "servers",
    "paths",
    "webhooks",
    "components",
    "security",
    "tags",
    "externalDocs",
  ]);
  for (const key of Object.keys(DOCUMENT)) assert.ok(roots.has(key), key);
  assert.ok(typeof member(DOCUMENT, "info", "title") === "string" && typeof member(DOCUMENT, "info", "version") === "string");
  const license = member(DOCUMENT, "info", "license") as JsonObject;
  assert.ok(typeof license["name"] === "string" && !("identifier" in license && "url" in license));
  const parts = new Set([
    "schemas",
    "responses",
    "parameters",
    "examples",
    "requestBodies",
    "headers",
    "securitySchemes",
    "links",
    "callbacks",
    "pathItems",
  ]);
  for (const [part, named] of Object.entries(member(DOCUMENT, "components") as JsonObject)) {
    assert.ok(parts.has(part), part);
    for (const key of Object.keys(named as JsonObject)) assert.match(key, /^[A-Za-z0-9._-]+$/);
  }
});

test("every route is in it once, under its own name, and nothing else is", () => {
  const expected = ROUTE_NAMES.map(
    (name) => `${routeOf(name).method.toLowerCase()} ${routeOf(name).path.replace(/:(\w+)/g, "{$1}")} ${name}`,
  );
  assert.deepEqual(OPERATIONS.map(({ at, method, operation }) => `${method} ${at} ${operation["operationId"]}`).sort(), expected.sort());
});

test("paths differ by more than the names of their parameters", () => {
  const shapes = Object.keys(member(DOCUMENT, "paths") as JsonObject).map((at) => at.replace(/\{\w+\}/g, "{}"));
  assert.equal(new Set(shapes).size, shapes.length);
  for (const shape of shapes) assert.match(shape, /^\/[^?#]*$/);
});

const OPERATION_KEYS = new Set([
  "operationId",
  "summary",
  "description",
  "tags",
  "security",
  "parameters",
  "requestBody",
  "responses",
  "deprecated",
  "x-action",
]);

for (const { at, method, operation } of OPERATIONS) {
  test(`${method} ${at}: parameters, body and answers are described as 3.1 wants them`, () => {
    for (const key of Object.keys(operation)) assert.ok(OPERATION_KEYS.has(key), key);
    const parameters = operation["parameters"] as JsonObject[];
    const inPath = parameters.filter((parameter) => parameter["in"] === "path").map((parameter) => parameter["name"]);
    assert.deepEqual(
      inPath,
      [...at.matchAll(/\{(\w+)\}/g)].map(([, name]) => name),
    );
    assert.equal(new Set(parameters.map((parameter) => `${parameter["in"]} ${parameter["name"]}`)).size, parameters.length);
    for (const parameter of parameters) {
      assert.ok(parameter["in"] === "path" || parameter["in"] === "query");
      assert.equal(typeof parameter["required"], "boolean");
      assert.ok(parameter["in"] !== "path" || parameter["required"]);
      checkSchema(parameter["schema"]);
    }
    assert.equal(
      "requestBody" in operation,
      ["post", "put", "patch"].includes(method) && "requestBody" in operation,
      "GET and DELETE have no body",
    );
    if ("requestBody" in operation) checkSchema(member(operation, "requestBody", "content", "application/json", "schema"));
    const responses = Object.entries(operation["responses"] as JsonObject);
    assert.ok(responses.length > 0);
    for (const [status, response] of responses) {
      assert.match(status, /^([1-5]\d\d|default)$/);
      const found = resolved(response);
      assert.equal(typeof found["description"], "string");
      for (const content of Object.values((found["content"] ?? {}) as JsonObject)) checkSchema(member(content, "schema"));
      if (status === "204") assert.ok(!("content" in found));
    }
    for (const requirement of operation["security"] as JsonObject[])
      for (const scheme of Object.keys(requirement)) member(DOCUMENT, "components", "securitySchemes", scheme);
  });
}

function resolved(node: unknown): JsonObject {
  assert.ok(isObject(node));
  const reference = node["$ref"];
  if (reference === undefined) return node;
  assert.match(String(reference), /^#\/components\/[\w/]+$/);
  return resolved(member(DOCUMENT, ...String(reference).slice(2).split("/")));
}

const TYPES = new Set(["object", "array", "string", "number", "integer", "boolean", "null"]);

/** What JSON Schema 2020-12 says of the keywords that occur here. */
function checkSchema(node: unknown): void {
  if (node === true || node === false) return;
  const schema = resolved(node);
  const { type, items, required, properties } = schema;
  for (const one of type === undefined ? [] : [type].flat()) assert.ok(TYPES.has(String(one)), String(one));
  assert.ok(!Array.isArray(items), "items is one schema; prefixItems is the list");
  for (const word of ["nullable", "definitions", "$defs", "id"])
    assert.ok(!(word in schema) || (properties as JsonObject | undefined)?.[word] !== undefined, word);
  if (required !== undefined && properties !== undefined) for (const name of required as string[]) member(properties, name);
  if (typeof schema["pattern"] === "string") new RegExp(schema["pattern"], "u");
  for (const bound of ["minLength", "maxLength", "minItems", "maxItems"])
    if (bound in schema) assert.ok(Number.isInteger(schema[bound]) && Number(schema[bound]) >= 0, bound);
  for (const part of [items, schema["additionalProperties"], schema["propertyNames"], schema["not"]])
    if (part !== undefined) checkSchema(part);
  for (const list of ["anyOf", "oneOf", "allOf", "prefixItems"])
    for (const part of (schema[list] as unknown[] | undefined) ?? []) checkSchema(part);
  for (const part of Object.values((properties as JsonObject | undefined) ?? {})) checkSchema(part);
}

test("what the document says of bodies is what is enforced: nothing unknown, pages with their limits", () => {
  const bodies = OPERATIONS.filter(({ operation }) => "requestBody" in operation);
  assert.ok(bodies.length > 5);
  for (const { at, operation } of bodies) {
    const schema = resolved(member(operation, "requestBody", "content", "application/json", "schema"));
    assert.equal(schema["additionalProperties"], false, at);
    for (const [name, property] of Object.entries(schema["properties"] as JsonObject))
      if (isObject(property) && property["type"] === "array")
        assert.ok(Number.isInteger(property["maxItems"]), `${at} ${name} has no most`);
  }
});

/** What is read and written by one schema is closed both ways. */
const CLOSED = new Set(["setSettings"]);

test("answers are open, as clients take them: a newer server may say more", () => {
  for (const { operation } of OPERATIONS.filter((one) => !CLOSED.has(String(one.operation["operationId"])))) {
    const [status = ""] = Object.keys(operation["responses"] as JsonObject);
    if (status === "204") continue;
    const schema = resolved(member(operation, "responses", status, "content", "application/json", "schema"));
    assert.equal(schema["type"] === "object" && schema["additionalProperties"] === false, false, String(operation["operationId"]));
  }
});

test("the document holds nothing of the deployment: no token, bucket or address", async () => {
  const world = await makeWorld();
  const text = await (await world.app.fetch(`${ENDPOINT}/openapi.json`)).text();
  for (const secret of [world.token, world.upload, "memory.test", process.cwd()]) assert.ok(!text.includes(secret));
});
