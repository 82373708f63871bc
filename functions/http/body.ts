/** Request bodies: JSON, bounded in size and depth before anything else looks at them. */
import { FerryError } from "../../shared/errors.ts";
import { MANIFEST_BYTES_MAX } from "../../shared/manifest.ts";
import { MiB } from "../../shared/units.ts";

/** A manifest of the largest size, and what stands around it. */
export const BODY_BYTES_MAX = MANIFEST_BYTES_MAX + MiB;
const DEPTH_MAX = 16;

export async function readJson(request: Request): Promise<unknown> {
  const text = await readText(request);
  if (text.trim() === "") throw new FerryError("REQUEST_INVALID", { problem: "body: JSON is expected" });
  if (isTooDeep(text)) throw new FerryError("REQUEST_INVALID", { problem: `body: nested deeper than ${DEPTH_MAX}` });
  try {
    return JSON.parse(text);
  } catch {
    throw new FerryError("REQUEST_INVALID", { problem: "body: it is not JSON" });
  }
}

/** Stops reading at the limit, whatever Content-Length says. */
async function readText(request: Request): Promise<string> {
  const tooLarge = () => new FerryError("BODY_TOO_LARGE", { limitBytes: BODY_BYTES_MAX });
  if (Number(request.headers.get("content-length") ?? 0) > BODY_BYTES_MAX) throw tooLarge();
  if (request.body === null) return "";
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let text = "";
  let total = 0;
  try {
    for await (const bytes of request.body as unknown as AsyncIterable<Uint8Array>) {
      total += bytes.length;
      if (total > BODY_BYTES_MAX) throw tooLarge();
      text += decoder.decode(bytes, { stream: true });
    }
    return text + decoder.decode();
  } catch (error) {
    if (error instanceof FerryError) throw error;
    throw new FerryError("REQUEST_INVALID", { problem: "body: it is not UTF-8, or it broke off" }, { cause: error });
  }
}

/** Counts brackets outside strings: deep JSON would exhaust the stack of whoever walks it. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '"') i = endOfString(text, i);
    else if (character === "[" || character === "{") depth++;
    else if (character === "]" || character === "}") depth--;
    if (depth > DEPTH_MAX) return true;
  }
  return false;
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
