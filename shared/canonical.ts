/** Canonical JSON: object keys sorted by code unit, no spaces, integers only, so that equal values have equal bytes and one digest. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined };

/**
 * The canonical text of `value`. Members that are `undefined` are left out.
 * Throws RangeError on numbers that JSON readers may round (non-integers, or beyond 2^53 - 1), and on what is no JSON at all: these
 * bytes are kept for ever, so nothing unreadable may come out, whatever a type promised.
 */
export function canonical(value: Json): string {
  // What was read from canonical text is still in order, and a manifest may have 100,000 entries: the runtime writes it ten times as fast.
  return isInOrder(value) ? JSON.stringify(value) : ordered(value);
}

/** Whether JSON.stringify gives the canonical text. What it would leave out, round or ask for another form is never in order. */
function isInOrder(value: Json | undefined): boolean {
  if (typeof value !== "object" || value === null) return isPlain(value);
  if (isArray(value)) return !("toJSON" in value) && everyInOrder(value);
  const prototype: unknown = Object.getPrototypeOf(value);
  if ((prototype !== Object.prototype && prototype !== null) || "toJSON" in value) return false;
  let last = "";
  for (const key of Object.keys(value)) {
    if (key < last || !isInOrder(value[key])) return false;
    last = key;
  }
  return true;
}

function everyInOrder(values: readonly Json[]): boolean {
  // By index: holes count, too.
  for (let at = 0; at < values.length; at++) if (!isInOrder(values[at])) return false;
  return true;
}

function isPlain(value: Json | undefined): boolean {
  return typeof value === "number"
    ? Number.isSafeInteger(value)
    : typeof value === "string" || typeof value === "boolean" || value === null;
}

function ordered(value: Json): string {
  switch (typeof value) {
    case "number":
      if (!Number.isSafeInteger(value)) throw new RangeError(`${value} has no canonical form`);
      return JSON.stringify(value);
    case "string":
    case "boolean":
      return JSON.stringify(value);
    case "object":
      if (value === null) return "null";
      return isArray(value) ? `[${Array.from(value, ordered).join(",")}]` : canonicalObject(value);
    default:
      throw new RangeError(`a value of type ${typeof value} has no canonical form`);
  }
}

function canonicalObject(value: { readonly [key: string]: Json | undefined }): string {
  const members: string[] = [];
  for (const key of Object.keys(value).sort()) {
    const member = value[key];
    if (member !== undefined) members.push(`${JSON.stringify(key)}:${ordered(member)}`);
  }
  return `{${members.join(",")}}`;
}

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
