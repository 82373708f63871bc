/**
 * Every route of API v1, as data: the routers mount it, the client calls it, OpenAPI prints it, the access tests walk it.
 */
import * as z from "zod";
import { Ref, RefName, StoreId } from "../names.ts";
import { ACCESS_ROUTES } from "./access-routes.ts";
import { AGENT_ROUTES } from "./agents-routes.ts";
import { CollectAnswer, CollectRequest, CollectRun } from "./collect.ts";
import { HOOK_ROUTES } from "./hooks-routes.ts";
import { IMPORT_ROUTES } from "./imports-routes.ts";
import { RevisionQuery } from "./lifecycle.ts";
import { LIFECYCLE_ROUTES } from "./lifecycle-routes.ts";
import { OBSERVE_ROUTES } from "./observe.ts";
import { PART_ROUTES } from "./parts-routes.ts";
import { PEOPLE_ROUTES } from "./people.ts";
import { RECOVERY_ROUTES } from "./recovery-routes.ts";
import { REPLICATION_ROUTES } from "./replication-routes.ts";
import {
  DeleteQuery,
  REPOSITORY_PATH,
  RenameRequest,
  Repository,
  RepositoryPage,
  RepositoryQuery,
  RepositoryRequest,
  RepositorySummary,
  RevisionPage,
  RevisionSummary,
  Tag,
  TagRequest,
} from "./repositories.ts";
import type { RouteSpec } from "./route-spec.ts";
import { SIGNATURE_ROUTES } from "./signatures.ts";
import { ProbeResult, SetupResult, StoreList } from "./stores.ts";
import { READ_ROUTES, SEND_ROUTES } from "./transfer-routes.ts";

export { Problem, repositoryParams } from "./problem.ts";
export type { RouteSpec } from "./route-spec.ts";

const Nothing = z.null();
const REPOSITORY = REPOSITORY_PATH;
const params = <T extends z.ZodRawShape>(shape: T) => z.object(shape);

export const Health = z.object({ ok: z.boolean() });
export const About = z.object({ name: z.literal("modelferry"), api: z.literal(1), version: z.string(), time: z.string() });

export const ROUTES = {
  health: { method: "GET", path: "/healthz", summary: "The process answers", needs: "public", status: 200, answer: Health },
  about: { method: "GET", path: "/api/v1", summary: "Version and time of this deployment", needs: "public", status: 200, answer: About },

  listRepositories: {
    method: "GET",
    path: "/api/v1/repositories",
    summary: "Repositories the caller may pull",
    needs: "token",
    status: 200,
    query: RepositoryQuery,
    answer: RepositoryPage,
  },
  createRepository: {
    method: "POST",
    path: "/api/v1/repositories",
    summary: "Create a repository",
    needs: "token",
    status: 201,
    body: RepositoryRequest,
    answer: RepositorySummary,
  },
  describeRepository: {
    method: "GET",
    path: REPOSITORY,
    summary: "A repository and its refs",
    needs: "pull",
    status: 200,
    answer: Repository,
  },
  deleteRepository: {
    method: "DELETE",
    path: REPOSITORY,
    summary: "Move a repository into the trash",
    needs: "delete",
    unresolved: true,
    status: 204,
    query: DeleteQuery,
    answer: Nothing,
  },
  renameRepository: {
    method: "POST",
    path: `${REPOSITORY}/rename`,
    summary: "Give a repository another name; reads of the old one say where it is",
    needs: "delete",
    unresolved: true,
    status: 200,
    body: RenameRequest,
    answer: RepositorySummary,
  },

  listRevisions: {
    method: "GET",
    path: `${REPOSITORY}/revisions`,
    summary: "History, newest first, or what of it fits",
    needs: "pull",
    status: 200,
    query: RevisionQuery,
    answer: RevisionPage,
  },
  resolve: {
    method: "GET",
    path: `${REPOSITORY}/revisions/:ref`,
    summary: "The revision that a ref names",
    needs: "pull",
    status: 200,
    params: params({ ref: Ref }),
    answer: RevisionSummary,
  },
  ...READ_ROUTES,

  setTag: {
    method: "PUT",
    path: `${REPOSITORY}/tags/:tag`,
    summary: "Point a tag at a revision",
    needs: "tag",
    status: 200,
    params: params({ tag: RefName }),
    body: TagRequest,
    answer: Tag,
  },
  deleteTag: {
    method: "DELETE",
    path: `${REPOSITORY}/tags/:tag`,
    summary: "Remove a tag",
    needs: "tag",
    status: 204,
    params: params({ tag: RefName }),
    query: DeleteQuery,
    answer: Nothing,
  },
  deleteBranch: {
    method: "DELETE",
    path: `${REPOSITORY}/branches/:branch`,
    summary: "Remove a branch",
    needs: "delete",
    status: 204,
    params: params({ branch: RefName }),
    query: DeleteQuery,
    answer: Nothing,
  },
  ...LIFECYCLE_ROUTES,

  ...SEND_ROUTES,
  ...PART_ROUTES,

  collectStatus: {
    method: "GET",
    path: "/api/v1/collect",
    summary: "The newest run of collection",
    needs: "admin",
    deployment: true,
    status: 200,
    answer: CollectAnswer,
  },
  startCollect: {
    method: "POST",
    path: "/api/v1/collect",
    summary: "Begin a run, or answer the one that is under way",
    needs: "admin",
    deployment: true,
    status: 200,
    body: CollectRequest,
    answer: CollectAnswer,
  },
  stepCollect: {
    method: "POST",
    path: "/api/v1/collect/step",
    summary: "Go on with the run for some seconds",
    needs: "admin",
    deployment: true,
    status: 200,
    answer: CollectAnswer,
  },
  cancelCollect: {
    method: "POST",
    path: "/api/v1/collect/:run/cancel",
    summary: "End a run where it is",
    needs: "admin",
    deployment: true,
    status: 200,
    params: params({ run: CollectRun.shape.run }),
    answer: CollectAnswer,
  },

  ...ACCESS_ROUTES,
  ...SIGNATURE_ROUTES,
  ...PEOPLE_ROUTES,
  ...RECOVERY_ROUTES,
  ...REPLICATION_ROUTES,
  ...AGENT_ROUTES,
  ...HOOK_ROUTES,
  ...IMPORT_ROUTES,
  ...OBSERVE_ROUTES,

  listStores: {
    method: "GET",
    path: "/api/v1/stores",
    summary: "Stores and what is proven about them",
    needs: "token",
    status: 200,
    answer: StoreList,
  },
  probeStore: {
    method: "POST",
    path: "/api/v1/stores/:store/probe",
    summary: "Try what a store enforces",
    needs: "admin",
    deployment: true,
    status: 200,
    params: params({ store: StoreId }),
    answer: ProbeResult,
  },
  setupStore: {
    method: "POST",
    path: "/api/v1/stores/:store/setup",
    summary: "Apply CORS and lifecycle rules",
    needs: "admin",
    deployment: true,
    status: 200,
    params: params({ store: StoreId }),
    answer: SetupResult,
  },
} as const satisfies Record<string, RouteSpec>;

export type Routes = typeof ROUTES;
export type RouteName = keyof Routes;

/** What a call of a route takes, and what it answers. `In` is before, `Out` after the schema's defaults. */
type Field<R, K extends string> = R extends Record<K, infer S extends z.ZodType> ? S : never;
export type RouteQuery<R> = z.infer<Field<R, "query">>;
export type RouteBody<R> = z.infer<Field<R, "body">>;
export type RouteParams<R> = z.infer<Field<R, "params">>;
export type RouteAnswer<R> = z.infer<Field<R, "answer">>;
export type RouteQueryIn<R> = z.input<Field<R, "query">>;
export type RouteBodyIn<R> = z.input<Field<R, "body">>;
