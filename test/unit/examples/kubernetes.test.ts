/**
 * The examples for Kubernetes: every document is what its kind has, runs without root and within limits, and calls what is there. The forms
 * are written down here from the kinds' references: their published schemas allow what a cluster would then refuse.
 */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parseAllDocuments } from "yaml";
import * as z from "zod";
import { makeProgram } from "../../../scripts/cli/program.ts";
import { ROUTES } from "../../../shared/contract/routes.ts";
import { CronText, TimeZone } from "../../../shared/cron.ts";
import { RepositoryName } from "../../../shared/names.ts";
import { memoryHost } from "../../support/memory-host.ts";

const FOLDER = fileURLToPath(new URL("../../../examples/kubernetes/", import.meta.url));
const ENTRY = `${FOLDER}entrypoint.sh`;

const name = z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
const labels = z.record(z.string().regex(/^([a-z0-9.-]+\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/), z.string().max(63));
const metadata = z.strictObject({
  name,
  namespace: name.optional(),
  labels: labels.optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});
const quantity = z.string().regex(/^\d+(\.\d+)?(m|[KMGTP]i?|)$/);
const amounts = z.record(z.string(), quantity);
const key = z.strictObject({ name, key: z.string() });
const env = z.union([
  z.strictObject({ name: z.string(), value: z.string() }),
  z.strictObject({
    name: z.string(),
    valueFrom: z.union([z.strictObject({ secretKeyRef: key }), z.strictObject({ fieldRef: z.strictObject({ fieldPath: z.string() }) })]),
  }),
]);
const probe = z.strictObject({
  httpGet: z.strictObject({ path: z.string(), port: z.union([z.string(), z.int()]) }),
  ...{ periodSeconds: z.int().optional(), timeoutSeconds: z.int().optional(), failureThreshold: z.int().optional() },
});
const container = z.strictObject({
  name,
  image: z.string().regex(/^[a-z0-9./-]+:[\w.-]+$/),
  args: z.array(z.string()).optional(),
  env: z.array(env).optional(),
  ports: z.array(z.strictObject({ name, containerPort: z.int() })).optional(),
  readinessProbe: probe.optional(),
  livenessProbe: probe.optional(),
  resources: z.strictObject({ requests: amounts, limits: amounts }),
  securityContext: z
    .strictObject({
      allowPrivilegeEscalation: z.literal(false),
      readOnlyRootFilesystem: z.boolean().optional(),
      runAsNonRoot: z.literal(true).optional(),
      runAsUser: z.int().positive().optional(),
      capabilities: z.strictObject({ drop: z.tuple([z.literal("ALL")]) }),
    })
    .optional(),
  terminationMessagePolicy: z.literal("FallbackToLogsOnError").optional(),
  volumeMounts: z.array(z.strictObject({ name, mountPath: z.string().startsWith("/"), readOnly: z.boolean().optional() })).optional(),
});
type Container = z.infer<typeof container>;
const volume = z.strictObject({
  name,
  hostPath: z.strictObject({ path: z.string().startsWith("/"), type: z.enum(["Directory", "DirectoryOrCreate"]) }).optional(),
  emptyDir: z.strictObject({ sizeLimit: quantity.optional() }).optional(),
});
const pod = z
  .strictObject({
    automountServiceAccountToken: z.literal(false),
    terminationGracePeriodSeconds: z.int().optional(),
    restartPolicy: z.enum(["Always", "Never", "OnFailure"]).optional(),
    nodeSelector: labels.optional(),
    tolerations: z.array(z.strictObject({ key: z.string(), operator: z.enum(["Exists", "Equal"]), effect: z.string() })).optional(),
    securityContext: z.strictObject({
      runAsNonRoot: z.literal(true),
      runAsUser: z.int().positive(),
      ...{ runAsGroup: z.int().positive().optional(), fsGroup: z.int().positive().optional() },
      seccompProfile: z.strictObject({ type: z.literal("RuntimeDefault") }),
    }),
    initContainers: z.array(container).optional(),
    containers: z.array(container).min(1),
    volumes: z.array(volume).optional(),
  })
  .refine((spec) => mounts(spec).every((mount) => (spec.volumes ?? []).some((one) => one.name === mount)), "a mount without its volume");
function mounts({ containers, initContainers = [] }: { containers: Container[]; initContainers?: Container[] | undefined }): string[] {
  return [...containers, ...initContainers].flatMap(({ volumeMounts = [] }) => volumeMounts.map((mount) => mount.name));
}
const template = z.strictObject({
  metadata: z.strictObject({ labels, annotations: z.record(z.string(), z.string()).optional() }).optional(),
  spec: pod,
});
const selector = z.strictObject({ matchLabels: labels });
const kind = <K extends string, S extends z.ZodType>(apiVersion: string, named: K, spec: S) =>
  z.strictObject({ apiVersion: z.literal(apiVersion), kind: z.literal(named), metadata, spec });
const storageContainer = z.strictObject({
  container: container.extend({ name: z.literal("storage-initializer") }),
  supportedUriFormats: z.array(z.strictObject({ prefix: z.literal("ferry://") })),
  workloadType: z.enum(["initContainer", "localModelDownloadJob"]),
  supportsMultiModelDownload: z.boolean().optional(),
});

const RBAC = "rbac.authorization.k8s.io";
const DOCUMENT = z.discriminatedUnion("kind", [
  kind(
    "apps/v1",
    "DaemonSet",
    z.strictObject({
      ...{ selector, template },
      updateStrategy: z.strictObject({ type: z.literal("RollingUpdate"), rollingUpdate: z.strictObject({ maxUnavailable: z.string() }) }),
    }),
  ),
  kind("apps/v1", "Deployment", z.strictObject({ replicas: z.int(), selector, template })),
  kind(
    "batch/v1",
    "CronJob",
    z.strictObject({
      ...{
        schedule: CronText,
        timeZone: TimeZone,
        concurrencyPolicy: z.enum(["Allow", "Forbid", "Replace"]),
        startingDeadlineSeconds: z.int(),
      },
      jobTemplate: z.strictObject({ spec: z.strictObject({ backoffLimit: z.int(), activeDeadlineSeconds: z.int(), template }) }),
    }),
  ),
  kind(
    "keda.sh/v1alpha1",
    "ScaledObject",
    z.strictObject({
      ...{ scaleTargetRef: z.strictObject({ name }), minReplicaCount: z.int(), maxReplicaCount: z.int() },
      triggers: z.array(
        z.discriminatedUnion("type", [
          z.strictObject({
            type: z.literal("cron"),
            metadata: z.strictObject({ timezone: TimeZone, start: CronText, end: CronText, desiredReplicas: z.string().regex(/^\d+$/) }),
          }),
          z.strictObject({
            type: z.literal("metrics-api"),
            metadata: z.strictObject({ url: z.url(), valueLocation: z.string(), targetValue: z.string(), authMode: z.literal("bearer") }),
            authenticationRef: z.strictObject({ name }),
          }),
        ]),
      ),
    }),
  ),
  kind(
    "keda.sh/v1alpha1",
    "TriggerAuthentication",
    z.strictObject({ secretTargetRef: z.array(z.strictObject({ parameter: z.literal("token"), name, key: z.string() })) }),
  ),
  z.strictObject({ apiVersion: z.literal("v1"), kind: z.literal("ServiceAccount"), metadata }),
  z.strictObject({
    ...{ apiVersion: z.literal(`${RBAC}/v1`), kind: z.literal("ClusterRole"), metadata },
    // No more than the labels need.
    rules: z.tuple([
      z.strictObject({
        ...{ apiGroups: z.tuple([z.literal("")]), resources: z.tuple([z.literal("nodes")]) },
        verbs: z.tuple([z.literal("get"), z.literal("patch")]),
      }),
    ]),
  }),
  z.strictObject({
    ...{ apiVersion: z.literal(`${RBAC}/v1`), kind: z.literal("ClusterRoleBinding"), metadata },
    roleRef: z.strictObject({ apiGroup: z.literal(RBAC), kind: z.literal("ClusterRole"), name }),
    subjects: z.array(z.strictObject({ kind: z.literal("ServiceAccount"), name, namespace: name })),
  }),
  kind("serving.kserve.io/v1alpha1", "ClusterStorageContainer", storageContainer),
  kind(
    "serving.kserve.io/v1alpha1",
    "LocalModelNodeGroup",
    z.strictObject({ storageLimit: quantity, persistentVolumeSpec: z.looseObject({}), persistentVolumeClaimSpec: z.looseObject({}) }),
  ),
  kind(
    "serving.kserve.io/v1alpha1",
    "LocalModelCache",
    z.strictObject({ modelSize: quantity, nodeGroups: z.array(name), sourceModelUri: z.string().startsWith("ferry://") }),
  ),
]);

const files = readdirSync(FOLDER).filter((file) => file.endsWith(".yaml"));
const documents = files.flatMap((file) =>
  parseAllDocuments(readFileSync(FOLDER + file, "utf8"), { uniqueKeys: true }).map((document, at) => ({ file, at, document })),
);

for (const { file, at, document } of documents) {
  test(`${file}, document ${at + 1}, is what its kind has`, () => {
    assert.deepEqual(document.errors, []);
    DOCUMENT.parse(document.toJS());
  });
}

/** All containers of ours, wherever they stand. */
function ours(node: unknown): Container[] {
  if (typeof node !== "object" || node === null) return [];
  const found = container.safeParse(node);
  if (found.success) return found.data.image.includes("modelferry") ? [found.data] : [];
  return Object.values(node).flatMap(ours);
}

const containers = documents.flatMap(({ document }) => ours(document.toJS()));

test("our containers run without root, within limits, and are given a token from a secret", () => {
  assert.equal(containers.length, 5);
  for (const { securityContext, resources, env: vars = [] } of containers) {
    assert.equal(securityContext?.allowPrivilegeEscalation, false);
    assert.ok(resources.limits["memory"] !== undefined && resources.limits["cpu"] !== undefined);
    const token = vars.find((one) => one.name === "FERRY_TOKEN");
    assert.ok(token !== undefined && "valueFrom" in token && "secretKeyRef" in token.valueFrom);
  }
});

test("what our containers are told is a command of ferry with options that it has, or a source and a destination", () => {
  const program = makeProgram(memoryHost().host);
  for (const { args = [] } of containers) {
    const [first = "", ...rest] = args;
    if (first === "") continue;
    if (first.startsWith("ferry://")) {
      assert.ok(RepositoryName.safeParse(first.slice("ferry://".length).split("@")[0]).success && rest.length === 1);
      continue;
    }
    const command = program.commands.find((one) => one.name() === first);
    const options = [command, ...(command?.commands ?? [])].flatMap((one) => one?.options ?? []).map((option) => option.long);
    for (const flag of rest.filter((arg) => arg.startsWith("--")))
      assert.ok(options.includes(flag.split("=")[0] ?? ""), `${first} ${flag}`);
  }
});

test("what KEDA asks is a route, and its answer has the value that is read", () => {
  const text = readFileSync(`${FOLDER}prescale.yaml`, "utf8");
  const url = new URL(/url: "(https:[^"]+)"/.exec(text)?.[1] ?? "");
  assert.equal(url.pathname, ROUTES.warmth.path.replace(":namespace", "team").replace(":name", "llama"));
  ROUTES.warmth.query.parse(Object.fromEntries(url.searchParams));
  assert.ok((/valueLocation: (\w+)/.exec(text)?.[1] ?? "") in ROUTES.warmth.answer.shape);
});

/** What the entry point would run, each call on a line. */
function called(...args: string[]): { exit: number | null; calls: string[]; stderr: string } {
  const ran = spawnSync("/bin/sh", [ENTRY, ...args], { env: { PATH: process.env["PATH"] ?? "", FERRY: "echo" }, encoding: "utf8" });
  return { exit: ran.status, calls: ran.stdout.trim().split("\n"), stderr: ran.stderr };
}

test("the entry point takes pairs of source and destination, in every form that KServe and the Hub write", () => {
  for (const [source, target] of [
    ["ferry://team/llama", "team/llama"],
    ["ferry://team/llama@prod", "team/llama@prod"],
    ["hf://team/llama", "team/llama"],
    ["hf://team/llama:v1", "team/llama@v1"],
    ["hf://team/llama@v1", "team/llama@v1"],
  ] as const) {
    assert.deepEqual(called(source, "/mnt/models").calls, [`pull ${target} /mnt/models --quiet`]);
  }
  assert.deepEqual(called("ferry://a/b", "/x", "hf://c/d:v2", "/y").calls, ["pull a/b /x --quiet", "pull c/d@v2 /y --quiet"]);
  assert.deepEqual(called("agent", "--cache", "/c").calls, ["agent --cache /c"]);
  assert.match(called("ferry://a/b").stderr, /has no destination/);
  assert.match(called("ferry://a/b", "/x", "s3://c/d", "/y").stderr, /neither ferry:\/\/ nor hf:\/\//);
  assert.equal(called("ferry://a/b").exit, 2);
});

test("the image is built from what `npm run build` makes, and runs as the user that KServe expects", () => {
  const text = readFileSync(`${FOLDER}Dockerfile`, "utf8");
  assert.match(text, /^COPY .*dist\/ferry\.mjs /m);
  assert.match(text, /^USER 1000:1000$/m);
  execFileSync("/bin/sh", ["-n", ENTRY]);
});
