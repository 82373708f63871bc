/** Finds and changes places in a JSON value: the ground of tables that spoil one thing of a good request. */
import type { JsonObject } from "./requests.ts";

export type Place = { at: readonly (string | number)[]; value: unknown };

/** Every place of a value, itself first. Of an array of many the first element stands for all. */
export function placesOf(value: unknown, at: Place["at"] = []): Place[] {
  if (typeof value !== "object" || value === null) return [{ at, value }];
  const members: [string | number, unknown][] = Array.isArray(value)
    ? value.slice(0, 8).map((item, index) => [index, item])
    : Object.entries(value);
  return [{ at, value }, ...members.flatMap(([key, member]) => placesOf(member, [...at, key]))];
}

/** A copy of `body` with `value` at this place; undefined takes the place away. */
export function changed(body: JsonObject, at: Place["at"], value: unknown): JsonObject {
  const copy = structuredClone(body);
  const last = at.at(-1);
  let holder: Record<string | number, unknown> = copy;
  for (const key of at.slice(0, -1)) holder = holder[key] as Record<string | number, unknown>;
  if (last === undefined) return value as JsonObject;
  if (value === undefined) delete holder[last];
  else holder[last] = value;
  return copy;
}

/** JSON of `body` with `member` (text) as the first or last member of the object at this place: what no object can hold. */
export function withMember(body: JsonObject, at: Place["at"], member: string, where: "first" | "last"): string {
  const marker = "a member goes here";
  const target = placesOf(body).find((place) => place.at.join("/") === at.join("/"))?.value as JsonObject;
  const marked = where === "first" ? { [marker]: 0, ...target } : { ...target, [marker]: 0 };
  return JSON.stringify(changed(body, at, marked)).replace(`"${marker}":0`, member);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
