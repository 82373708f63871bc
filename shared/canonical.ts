/** Canonical JSON: object keys sorted by code unit, no spaces, integers only, so that equal values have equal bytes and one digest. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined };

/**
 * The canonical text of `value`. Members that are `undefined` are left out.
 * Throws RangeError on numbers that JSON readers may round (non-integers, or beyond 2^53 - 1), and on what is no JSON at all: these
 * bytes are kept for ever, so nothing unreadable may come out, whatever a type promised.
 */
export function canonical(value: Json): string {
  switch (typeof value) {
    case "number":
      if (!Number.isSafeInteger(value)) throw new RangeError(`${value} has no canonical form`);
      return JSON.stringify(value);
    case "string":
    case "boolean":
      return JSON.stringify(value);
    case "object":
      if (value === null) return "null";
      return isArray(value) ? `[${Array.from(value, canonical).join(",")}]` : canonicalObject(value);
    default:
      throw new RangeError(`a value of type ${typeof value} has no canonical form`);
  }
}

function canonicalObject(value: { readonly [key: string]: Json | undefined }): string {
  const members: string[] = [];
  for (const key of Object.keys(value).sort()) {
    const member = value[key];
    if (member !== undefined) members.push(`${JSON.stringify(key)}:${canonical(member)}`);
  }
  return `{${members.join(",")}}`;
}

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
