/** Request bodies: JSON, bounded in size, depth and number of values before anything is built from it. */
import { FerryError } from "../../shared/errors.ts";
import { MANIFEST_BYTES_MAX } from "../../shared/manifest.ts";
import { KiB, MiB } from "../../shared/units.ts";

/** A manifest of the largest size, and what stands around it. */
export const BODY_BYTES_MAX = MANIFEST_BYTES_MAX + MiB;
/** Of what nobody has vouched for yet: an identity token, and what stands around it. */
export const PUBLIC_BODY_BYTES_MAX = 32 * KiB;
const DEPTH_MAX = 16;
/** A manifest of the most files has 700,000. The largest body could have 8 million, and as objects they would fill a Worker's memory. */
const VALUES_MAX = 2_000_000;
/** No schema has an object with more; names of unknown members are told, so there may not be many. */
const MEMBERS_MAX = 100;

const MEDIA_TYPE = /^application\/json[ \t]*(;|$)/i;

export async function readJson(request: Request, limitBytes = BODY_BYTES_MAX): Promise<unknown> {
  if (request.body === null) throw invalid("JSON is expected");
  const type = request.headers.get("content-type") ?? "of no type";
  if (!MEDIA_TYPE.test(type)) throw new FerryError("MEDIA_TYPE_INVALID", { type: type.slice(0, 100) });
  const text = await readText(request.body, request.headers.get("content-length"), limitBytes);
  const shape = shapeOf(text);
  const value = parse(text);
  if (countMembers(value) !== shape.members) throw invalid("a key is given twice");
  return value;
}

/** Stops reading at the limit, whatever Content-Length says. Throws REQUEST_INVALID for what is not UTF-8: the text is the bytes. */
export async function readText(body: ReadableStream<Uint8Array>, declaredBytes: string | null, limitBytes: number): Promise<string> {
  const tooLarge = () => new FerryError("BODY_TOO_LARGE", { limitBytes });
  if (Number(declaredBytes ?? 0) > limitBytes) throw tooLarge();
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let text = "";
  let total = 0;
  try {
    for await (const bytes of body as unknown as AsyncIterable<Uint8Array>) {
      total += bytes.length;
      if (total > limitBytes) throw tooLarge();
      text += decoder.decode(bytes, { stream: true });
    }
    return text + decoder.decode();
  } catch (error) {
    if (error instanceof FerryError) throw error;
    throw invalid("it is not UTF-8, or it broke off", error);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalid("it is not JSON");
  }
}

/**
 * What a parser would build from the text, counted outside strings: one value for each comma and opening bracket, one member for each
 * colon. Deep JSON would exhaust the stack of whoever walks it, many values the memory. Text that is no JSON may give any counts.
 */
function shapeOf(text: string): { members: number } {
  const membersAt = new Uint32Array(DEPTH_MAX + 2);
  let [depth, values, members] = [0, 1, 0];
  for (let i = 0; i < text.length; i++) {
    switch (text[i]) {
      case '"':
        i = endOfString(text, i);
        break;
      case ",":
        values++;
        break;
      case ":":
        members++;
        membersAt[depth] = (membersAt[depth] ?? 0) + 1;
        break;
      case "[":
      case "{":
        values++;
        membersAt[++depth] = 0;
        break;
      case "]":
      case "}":
        depth--;
    }
    if (depth > DEPTH_MAX) throw invalid(`it is nested deeper than ${DEPTH_MAX}`);
    if ((membersAt[depth] ?? 0) > MEMBERS_MAX) throw invalid(`it has an object with more than ${MEMBERS_MAX} keys`);
    if (values > VALUES_MAX) throw invalid(`it has more than ${VALUES_MAX} values`);
  }
  return { members };
}

/** Index of the quote that closes the string opened at `start`. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end > 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end < 0 ? text.length : end;
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0;
  while (text[at - 1 - backslashes] === "\\") backslashes++;
  return backslashes % 2 === 1;
}

/** Members that JSON.parse kept: fewer than the text has when a key was given twice, which readers settle differently. */
function countMembers(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + countMembers(item), 0);
  const keys = Object.keys(value);
  if (keys.includes("__proto__")) throw invalid("__proto__ is no key of ours");
  return Object.values(value).reduce((sum: number, item) => sum + countMembers(item), keys.length);
}

function invalid(problem: string, cause?: unknown): FerryError {
  return new FerryError("REQUEST_INVALID", { problem: `body: ${problem}` }, { cause });
}
