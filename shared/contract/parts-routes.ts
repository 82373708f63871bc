/** Rows of the route table: named sessions, by which many callers make one revision. */
import * as z from "zod";
import { JoinedSession, JoinRequest, PartNumber, SealedPart, SealRequest, SessionCommit, SessionList } from "./parts.ts";
import { REPOSITORY_PATH, RevisionSummary } from "./repositories.ts";
import type { RouteSpec } from "./route-spec.ts";

const uploadParams = z.object({ upload: z.string() });

export const PART_ROUTES = {
  listSessions: {
    method: "GET",
    path: `${REPOSITORY_PATH}/sessions`,
    summary: "Open sessions and their sealed parts",
    needs: "push",
    status: 200,
    answer: SessionList,
  },
  joinSession: {
    method: "POST",
    path: `${REPOSITORY_PATH}/sessions`,
    summary: "Open a session, or join it: its callers share one upload",
    needs: "push",
    status: 200,
    body: JoinRequest,
    answer: JoinedSession,
  },
  abortSession: {
    method: "DELETE",
    path: `${REPOSITORY_PATH}/sessions/:upload`,
    summary: "Abort a session: nothing is sealed or committed after this",
    needs: "push",
    status: 204,
    params: uploadParams,
    answer: z.null(),
  },
  sealPart: {
    method: "POST",
    path: `${REPOSITORY_PATH}/sessions/:upload/parts/:part`,
    summary: "Seal the files of a part",
    needs: "push",
    status: 200,
    params: uploadParams.extend({ part: PartNumber }),
    body: SealRequest,
    answer: SealedPart,
  },
  commitSession: {
    method: "POST",
    path: `${REPOSITORY_PATH}/sessions/:upload/commit`,
    summary: "Make one revision of all parts, or answer the one that was made",
    needs: "push",
    status: 201,
    params: uploadParams,
    body: SessionCommit,
    answer: RevisionSummary,
  },
} as const satisfies Record<string, RouteSpec>;
