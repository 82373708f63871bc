/**
 * What a message says, of whatever form: which event, of which repository and ref as the sender calls them. Only what rules match by is
 * read, and each field alone: senders add to their messages as they like.
 */
import * as z from "zod";
import type { SourceKind } from "../../../shared/contract/hooks.ts";

export type Heard = { event: string; from: string; ref: string };

const text = z.string().max(500).catch("");
const part = <T extends z.ZodRawShape>(shape: T) => z.preprocess((value) => (isObject(value) ? value : {}), z.object(shape).partial());

const GitHub = part({ action: text, ref: text, repository: part({ full_name: text }), release: part({ tag_name: text }) });
const HuggingFace = part({
  event: part({ action: text, scope: text }),
  repo: part({ name: text }),
  updatedRefs: z.array(part({ ref: text })).catch([]),
});
const Standard = part({
  type: text,
  event: text,
  repository: text,
  ref: text,
  data: part({ repository: text, name: text, tag: text, branch: text, ref: text, version: text }),
  Records: z.array(part({ eventName: text, s3: part({ bucket: part({ name: text }), object: part({ key: text }) }) })).catch([]),
});

/** Null when the body is not JSON. */
export function heardIn(kind: SourceKind, headers: Headers, body: string): Heard | null {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return null;
  }
  if (kind === "github") return fromGitHub(headers, value);
  if (kind === "huggingface") return fromHuggingFace(value);
  return fromOthers(value);
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function fromGitHub(headers: Headers, value: unknown): Heard {
  const { action = "", ref = "", repository, release } = GitHub.parse(value);
  const name = headers.get("x-github-event") ?? "";
  return { event: joined(name, action), from: repository?.full_name ?? "", ref: shortRef(ref || (release?.tag_name ?? "")) };
}

function fromHuggingFace(value: unknown): Heard {
  const { event, repo, updatedRefs = [] } = HuggingFace.parse(value);
  return { event: joined(event?.scope ?? "", event?.action ?? ""), from: repo?.name ?? "", ref: shortRef(updatedRefs[0]?.ref ?? "") };
}

function fromOthers(value: unknown): Heard {
  const { type = "", event = "", repository = "", ref = "", data, Records } = Standard.parse(value);
  const record = Records?.[0];
  return {
    event: type || event || (record?.eventName ?? ""),
    from: repository || data?.repository || data?.name || (record?.s3?.bucket?.name ?? ""),
    ref: shortRef(ref || data?.tag || data?.branch || data?.ref || data?.version || ""),
  };
}

function joined(name: string, action: string): string {
  return action === "" ? name : `${name}.${action}`;
}

function shortRef(ref: string): string {
  return ref.replace(/^refs\/(heads|tags)\//, "");
}
