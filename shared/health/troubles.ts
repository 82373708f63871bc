/**
 * What may be wrong with a deployment: what it is called, how bad it is, where in the console somebody looks, and in English what it is and
 * what to do. The console has the same in Chinese; `ferry doctor` and the page of what needs somebody tell no others.
 * `{name}` is filled in. `fail`: something does not work or is lost; `warn`: it will be so if nobody looks.
 */
export type Severity = "warn" | "fail";
type Row = { severity: Severity; place: "storage" | "replication" | "nodes" | "webhooks" | "audit" | "tokens"; text: string; next: string };

export const TROUBLES = {
  indexUnreachable: {
    severity: "fail",
    place: "storage",
    text: "the index can't be used: {problem}",
    next: "See whether Redis runs, is not full, and is reached with the settings that the deployment has.",
  },
  indexRebuilding: {
    severity: "warn",
    place: "storage",
    text: "the index is being made anew from the bucket; what is not there yet is answered with 503",
    next: "Wait, or run `ferry rebuild` to be done sooner.",
  },
  indexDamaged: {
    severity: "fail",
    place: "storage",
    text: "{count} logs or envelopes can't be read: {first}",
    next: "Leave the bucket as it is and run `ferry fsck`; docs/operations.md says how each finding is mended.",
  },
  indexUnlike: {
    severity: "fail",
    place: "storage",
    text: "the index of generation {generation} was not made from what the bucket has: {first}",
    next: "If the bucket lost objects, bring them back from a copy. If it was restored, or is another one, set GENERATION to a new name and run `ferry rebuild`.",
  },
  bellSilent: {
    severity: "warn",
    place: "storage",
    text: "no collection went on for {days} days: the minute's bell seems not to ring, so nothing is collected, replicated or sealed by itself",
    next: "On Workers see that the cron trigger is there and ends without errors; on Node that a process runs that rings it.",
  },
  collectProblem: {
    severity: "fail",
    place: "storage",
    text: "the last collection ended with a problem: {problem}",
    next: "Run `ferry fsck`, then `ferry collect --dry-run`.",
  },
  collectMissing: {
    severity: "fail",
    place: "storage",
    text: "{count} chunks that revisions name are missing in the home store",
    next: "Run `ferry fsck --plan`: it says where their bytes still are.",
  },
  damageFound: {
    severity: "fail",
    place: "storage",
    text: "the last look for damage found {count} things that revisions need and that are gone or wrong: {first}",
    next: "Run `ferry fsck --plan`, then `ferry fsck --repair`.",
  },
  replicaFailed: {
    severity: "fail",
    place: "replication",
    text: "{count} replicas fail in store {store}: {problem}",
    next: "Run `ferry store probe {store}`, then `ferry sync status` for each of them; they are tried again by themselves.",
  },
  replicaRetrying: {
    severity: "warn",
    place: "replication",
    text: "{count} replicas are tried again in store {store}: {problem}",
    next: "It goes on by itself; look at `ferry sync status` when it stays so.",
  },
  replicaStalled: {
    severity: "warn",
    place: "replication",
    text: "{count} replicas for store {store} have waited for more than {hours} h without a byte copied",
    next: "Where the store is reached by agents only, run `ferry sync execute --stores {store}` beside it.",
  },
  replicaLagging: {
    severity: "warn",
    place: "replication",
    text: "{count} replicas for store {store} are wanted for longer than the {minutes} min that a policy allows",
    next: "Look at `ferry sync status`: more executors (`ferry sync execute`), or a higher rate in the policy, make it quicker.",
  },
  warmupLate: {
    severity: "warn",
    place: "nodes",
    text: "the warm-up of {what} is late: {ready} of {target} nodes are ready",
    next: "Look at `ferry warm map` and at the agents' logs on nodes that told nothing or failed.",
  },
  agentVersions: {
    severity: "warn",
    place: "nodes",
    text: "{count} agents run another version than the deployment's {version}",
    next: "Roll the agents out anew, some at a time.",
  },
  webhookDisabled: {
    severity: "warn",
    place: "webhooks",
    text: "webhook {name} is switched off: {reason}",
    next: "Set its receiver right, then run `ferry webhook rotate {name}`.",
  },
  webhookFailing: {
    severity: "warn",
    place: "webhooks",
    text: "webhook {name} was given up on in the last day: {problem}",
    next: "Set its receiver right, then `ferry webhook deliveries {name} --state failed` and `ferry webhook replay`.",
  },
  auditDamaged: {
    severity: "fail",
    place: "audit",
    text: "{count} batches of the audit trail of the last day can't be read or were changed",
    next: "Run `ferry audit verify`, and see who may write to the bucket.",
  },
  storeUnprobed: {
    severity: "warn",
    place: "storage",
    text: "store {store} was not probed: nothing can be uploaded to it",
    next: "Run `ferry store probe {store}`.",
  },
  storeRefusesNothing: {
    severity: "fail",
    place: "storage",
    text: "store {store} proves no check of uploads: nothing can be uploaded to it",
    next: "See whether its provider is set right, then run `ferry store probe {store}`.",
  },
  storeClock: {
    severity: "warn",
    place: "storage",
    text: "the clock of store {store} is {seconds} s off",
    next: "Set it: collection stops at 5 minutes, and signed requests end early.",
  },
  tokenEnding: {
    severity: "warn",
    place: "tokens",
    text: "token {name} ends within 7 days",
    next: "Run `ferry token rotate`, and give the new one to whoever uses it.",
  },
  quotaNear: {
    severity: "warn",
    place: "storage",
    text: "{repository} has used {percent} % of its quota",
    next: "Raise it by `ferry quota {repository}`, or see what `ferry retention {repository}` would delete.",
  },
} as const satisfies Record<string, Row>;

export type TroubleCode = keyof typeof TROUBLES;
export type Trouble = { code: TroubleCode; values: Readonly<Record<string, string | number>> };

export function filled(text: string, values: Trouble["values"]): string {
  return text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}
