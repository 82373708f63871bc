/** Rows of the route table: imports as jobs, and what their executors ask. */
import * as z from "zod";
import { Import, ImportHeld, ImportLease, ImportLeaseRequest, ImportList, ImportOutcome, ImportPath, ImportRequest } from "./imports.ts";
import { ExtendAnswer } from "./replication.ts";
import { REPOSITORY_PATH } from "./repositories.ts";
import type { RouteSpec } from "./route-spec.ts";

const IMPORTS = `${REPOSITORY_PATH}/imports` as const;

export const IMPORT_ROUTES = {
  listImports: {
    method: "GET",
    path: IMPORTS,
    summary: "Imports into a repository: to be done, and of the last month",
    needs: "pull",
    status: 200,
    answer: ImportList,
  },
  startImport: {
    method: "POST",
    path: IMPORTS,
    summary: "Have a source imported by an executor that may read it",
    needs: "push",
    status: 201,
    body: ImportRequest,
    answer: Import,
  },
  cancelImport: {
    method: "DELETE",
    path: `${IMPORTS}/:import`,
    summary: "End an import that is not done",
    needs: "push",
    status: 204,
    params: ImportPath,
    answer: z.null(),
  },
  leaseImport: {
    method: "POST",
    path: "/api/v1/imports/lease",
    summary: "An import into a repository that the caller may push to, for an executor",
    needs: "token",
    status: 200,
    body: ImportLeaseRequest,
    answer: ImportLease,
  },
  extendImport: {
    method: "POST",
    path: `${IMPORTS}/:import/extend`,
    summary: "The executor is still at it",
    needs: "push",
    status: 200,
    params: ImportPath,
    body: ImportHeld,
    answer: ExtendAnswer,
  },
  finishImport: {
    method: "POST",
    path: `${IMPORTS}/:import/finish`,
    summary: "An import was done, or not",
    needs: "push",
    status: 200,
    params: ImportPath,
    body: ImportOutcome,
    answer: Import,
  },
} as const satisfies Record<string, RouteSpec>;
