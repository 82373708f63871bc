/** Bodies of Hub clients: JSON of any media type, bounded; and a commit's lines, one at a time. */
import type { Context } from "hono";
import type * as z from "zod";
import { FerryError } from "../../../shared/errors.ts";
import { MiB } from "../../../shared/units.ts";

const JSON_BYTES_MAX = 4 * MiB;
/** A file of REGULAR_BYTES_MAX in base64, and what stands around it. Python sends at most 100 MB of files in one commit. */
const LINE_BYTES_MAX = 8 * MiB;
const LINES_BYTES_MAX = 160 * MiB;
const LINES_MAX = 100_000;

/** Throws REQUEST_INVALID, BODY_TOO_LARGE. No body counts as an empty object. */
export async function readHubJson<S extends z.ZodType>(c: Context, schema: S): Promise<z.output<S>> {
  let text = "";
  for await (const line of linesOf(c.req.raw, JSON_BYTES_MAX)) text += line;
  return parsedLine(schema, text.trim() === "" ? "{}" : text);
}

export function parsedLine<S extends z.ZodType>(schema: S, text: string): z.output<S> {
  const parsed = schema.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new FerryError("REQUEST_INVALID", { problem: `body: ${issue?.path.join(".")}: ${issue?.message}`.slice(0, 300) });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new FerryError("REQUEST_INVALID", { problem: "body: it is not JSON" });
  }
}

/** Lines of an NDJSON body, empty ones left out; the last need not end. */
export async function* ndjsonOf(request: Request): AsyncGenerator<string> {
  let count = 0;
  for await (const line of linesOf(request, LINE_BYTES_MAX)) {
    if (++count > LINES_MAX) throw new FerryError("REQUEST_INVALID", { problem: `body: it has more than ${LINES_MAX} lines` });
    if (line.trim() !== "") yield line;
  }
}

async function* linesOf({ body }: Request, lineBytesMax: number): AsyncGenerator<string> {
  if (body === null) return;
  const decoder = new TextDecoder();
  let parts: string[] = [];
  let [lineBytes, total] = [0, 0];
  for await (const bytes of body as unknown as AsyncIterable<Uint8Array>) {
    total += bytes.length;
    if (total > LINES_BYTES_MAX) throw new FerryError("BODY_TOO_LARGE", { limitBytes: LINES_BYTES_MAX });
    const [head = "", ...lines] = decoder.decode(bytes, { stream: true }).split("\n");
    for (const next of [head, ...lines].entries()) {
      const [at, text] = next;
      if (at > 0) {
        yield parts.join("");
        [parts, lineBytes] = [[], 0];
      }
      parts.push(text);
      lineBytes += text.length;
      if (lineBytes > lineBytesMax) throw new FerryError("BODY_TOO_LARGE", { limitBytes: lineBytesMax });
    }
  }
  yield parts.join("") + decoder.decode();
}
