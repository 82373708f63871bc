/** Rows of the route table: what makes the index whole again, and what looks for damage. */
import { IndexCheck, RebuildAnswer } from "./recovery.ts";
import type { RouteSpec } from "./route-spec.ts";

export const RECOVERY_ROUTES = {
  checkIndex: {
    method: "POST",
    path: "/api/v1/index/check",
    summary: "Look whether the index fell behind the bucket, as the minute's bell does",
    needs: "admin",
    deployment: true,
    status: 200,
    answer: IndexCheck,
  },
  rebuildStatus: {
    method: "GET",
    path: "/api/v1/rebuild",
    summary: "The newest rebuild of the index",
    needs: "admin",
    deployment: true,
    status: 200,
    answer: RebuildAnswer,
  },
  startRebuild: {
    method: "POST",
    path: "/api/v1/rebuild",
    summary: "Begin a rebuild, or answer the one that is under way",
    needs: "admin",
    deployment: true,
    status: 200,
    answer: RebuildAnswer,
  },
  stepRebuild: {
    method: "POST",
    path: "/api/v1/rebuild/step",
    summary: "Go on with the rebuild for some seconds",
    needs: "admin",
    deployment: true,
    status: 200,
    answer: RebuildAnswer,
  },
} as const satisfies Record<string, RouteSpec>;
