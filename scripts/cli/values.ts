/** Values that people type: names with refs, sizes, durations, labels, scopes. One schema each, so a wrong one names itself. */
import * as z from "zod";
import { Action, type Scope } from "../../shared/contract/access.ts";
import { REVISIONS_PAGE_MAX } from "../../shared/contract/lifecycle.ts";
import { Metrics } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import { Ref, RefName, RepositoryGlob, RepositoryName, RevisionId, StoreId } from "../../shared/names.ts";
import { Network } from "../../shared/networks.ts";
import { epochMs, isoTime } from "../../shared/time.ts";
import { GiB, KiB, MiB, TiB } from "../../shared/units.ts";

/** For flags that may be given several times. (commander's own `<value...>` would also swallow the arguments that follow.) */
export function collected(value: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), value];
}

/** `namespace/name`, `namespace/name@branch`, `@tag`, `@revision`; a ref may have '/' inside. */
export type Target = { repository: RepositoryName; ref: string | null };

const TARGET_FORM = "is not namespace/name or namespace/name@ref";

export const TargetValue = z.string().transform((text, context): Target => {
  const at = text.indexOf("@");
  const repository = RepositoryName.safeParse(at < 0 ? text : text.slice(0, at));
  const ref = at < 0 ? null : Ref.safeParse(text.slice(at + 1));
  if (repository.success && ref === null) return { repository: repository.data, ref: null };
  if (repository.success && ref?.success) return { repository: repository.data, ref: ref.data };
  const wrong = repository.success ? ref : repository;
  const detail = text.includes("/") && wrong?.error !== undefined ? ` (${wrong.error.issues[0]?.message})` : "";
  context.addIssue(`'${text}' ${TARGET_FORM}${detail}`);
  return z.NEVER;
});

/** A repository alone. */
export const RepositoryValue = TargetValue.transform((target, context): RepositoryName => {
  if (target.ref !== null) context.addIssue(`leave out '@${target.ref}'`);
  return target.repository;
});

export const RefNameValue = z.string().transform((text, context): RefName => {
  const parsed = RefName.safeParse(text);
  if (parsed.success) return parsed.data;
  context.addIssue(`'${text}' is not a name: ${parsed.error.issues[0]?.message}`);
  return z.NEVER;
});

/** What a tag or a branch must be at now: a revision, a ref that names it, or `none`. */
export const RefOrNone = z.string().transform((text, context): string | null => {
  if (text === "none") return null;
  if (Ref.safeParse(text).success) return text;
  context.addIssue(`'${text}' is not a revision, a branch, a tag or 'none'`);
  return z.NEVER;
});

/** Revisions of one repository, each named once. Throws USAGE_INVALID. */
export function revisionsOf(targets: readonly Target[]): { repository: RepositoryName; revisions: RevisionId[] } {
  const [first] = targets;
  if (first === undefined || targets.length > REVISIONS_PAGE_MAX) {
    throw new FerryError("USAGE_INVALID", { problem: `name 1 to ${REVISIONS_PAGE_MAX} revisions` });
  }
  const revisions = new Set<RevisionId>();
  for (const { repository, ref } of targets) {
    const revision = RevisionId.safeParse(ref);
    const name = ref === null ? repository : `${repository}@${ref}`;
    if (!revision.success)
      throw new FerryError("USAGE_INVALID", { problem: `'${name}' names no revision by its 40 hex characters; see \`ferry log\`` });
    if (repository !== first.repository) throw new FerryError("USAGE_INVALID", { problem: "name revisions of one repository at a time" });
    revisions.add(revision.data);
  }
  return { repository: first.repository, revisions: [...revisions] };
}

/** A revision that must be there, or `none`. */
export const RevisionOrNone = z.string().transform((text, context): RevisionId | null => {
  if (text === "none") return null;
  const parsed = RevisionId.safeParse(text);
  if (parsed.success) return parsed.data;
  context.addIssue(`'${text}' is not a revision (40 hex characters) or 'none'`);
  return z.NEVER;
});

const UNITS: Record<string, number> = {
  "": 1,
  B: 1,
  K: KiB,
  KiB,
  KB: 1e3,
  M: MiB,
  MiB,
  MB: 1e6,
  G: GiB,
  GiB,
  GB: 1e9,
  T: TiB,
  TiB,
  TB: 1e12,
};

/** `512MiB`, `2G`, `100MB`, `50MB/s`: K, M, G and T are binary, KB, MB, GB and TB decimal. */
export const BytesValue = z.string().transform((text, context): number => {
  const [, amount = "", unit = ""] = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)(?:\/s)?$/.exec(text) ?? [];
  const factor = Object.hasOwn(UNITS, unit) ? UNITS[unit] : undefined;
  const bytes = factor === undefined || amount === "" ? Number.NaN : Math.round(Number(amount) * factor);
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  context.addIssue(`'${text}' is not a size like 512MiB, 2G or 100MB`);
  return z.NEVER;
});

const SECONDS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 7 * 86_400 };

/** `90s`, `30m`, `12h`, `30d`, `4w`, in seconds. */
export const SecondsValue = z.string().transform((text, context): number => {
  const [, amount = "", unit = ""] = /^(\d{1,9})([smhdw])$/.exec(text) ?? [];
  const seconds = Number(amount) * (SECONDS[unit] ?? Number.NaN);
  if (seconds > 0) return seconds;
  context.addIssue(`'${text}' is not a time like 12h or 30d`);
  return z.NEVER;
});

export function countValue(min: number, max: number) {
  return z.string().transform((text, context): number => {
    const count = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (count >= min && count <= max) return count;
    context.addIssue(`'${text}' is not a number from ${min} to ${max}`);
    return z.NEVER;
  });
}

const AGO_FORM = "is not a time like 7d (ago), 2026-11-24 or 2026-11-24T10:05:12Z";

/** `7d` ago, a day (its start in UTC), or a time; in ISO 8601. */
export const SinceValue = z.string().transform((text, context): ((nowMs: number) => string) => {
  const ago = SecondsValue.safeParse(text);
  if (ago.success) return (nowMs) => isoTime(Math.max(0, nowMs - ago.data * 1000));
  if (z.union([z.iso.date(), z.iso.datetime({ offset: true })]).safeParse(text).success) return () => isoTime(epochMs(text));
  context.addIssue(`'${text}' ${AGO_FORM}`);
  return z.NEVER;
});

/** A limit that may be taken away: `none` is null. */
export function limitValue<T>(inner: z.ZodType<T, string>) {
  return z.string().transform((text, context): T | null => {
    if (text === "none") return null;
    const parsed = inner.safeParse(text);
    if (parsed.success) return parsed.data;
    context.addIssue(`${parsed.error.issues[0]?.message}, or 'none'`);
    return z.NEVER;
  });
}

/** `key=value`, given any number of times. */
export const LabelsValue = z.array(z.string()).transform((texts, context): Record<string, string> => {
  const labels: [string, string][] = [];
  for (const text of texts) {
    const at = text.indexOf("=");
    if (at > 0) labels.push([text.slice(0, at), text.slice(at + 1)]);
    else context.addIssue(`'${text}' is not key=value`);
  }
  return Object.fromEntries(labels);
});

/** `key=number`, given any number of times; numbers stay texts. */
export const MetricsValue = LabelsValue.transform((metrics, context): Record<string, string> => {
  for (const [key, value] of Object.entries(metrics)) {
    if (!Metrics.safeParse({ [key]: value }).success)
      context.addIssue(`'${key}=${value}' is not a name and a decimal number such as loss=0.031`);
  }
  return metrics;
});

export const StoreValue = z.string().transform((text, context): StoreId => {
  const parsed = StoreId.safeParse(text);
  if (parsed.success) return parsed.data;
  context.addIssue(`'${text}' is not a store's id; see \`ferry store ls\``);
  return z.NEVER;
});

export const StoresValue = z.string().transform((text, context): StoreId[] => {
  const parsed = z.array(StoreId).min(1).safeParse(text.split(","));
  if (parsed.success) return parsed.data;
  context.addIssue(`'${text}' is not a list of stores' ids, such as west,east; see \`ferry store ls\``);
  return z.NEVER;
});

export const NetworkValue = z.string().transform((text, context): string => {
  if (Network.safeParse(text).success) return text;
  context.addIssue(`'${text}' is not a network like 10.0.0.0/8 or 2001:db8::/32 (no bits after the prefix), or an address`);
  return z.NEVER;
});

const SCOPE_FORM = "is not REPOSITORIES:ACTIONS[:STORES], such as 'team/*:pull,push'";

/** `team/*:pull,push` or `team/*:pull:home,west`: a scope of a token. */
export const ScopeValue = z.string().transform((text, context): Scope => {
  const [repositories = "", actions = "", stores, ...more] = text.split(":");
  const parsed = z
    .object({ repositories: RepositoryGlob, actions: z.array(Action).min(1), stores: z.array(StoreId).optional() })
    .safeParse({ repositories, actions: actions.split(","), stores: stores?.split(",") });
  if (parsed.success && more.length === 0) {
    const { stores: only, ...scope } = parsed.data;
    return only === undefined ? scope : { ...scope, stores: only };
  }
  context.addIssue(`'${text}' ${SCOPE_FORM}; actions are ${Action.options.join(", ")}`);
  return z.NEVER;
});

export function scopeText(scope: Scope): string {
  return [scope.repositories, scope.actions.join(","), ...(scope.stores === undefined ? [] : [scope.stores.join(",")])].join(":");
}
