/** The routes by which pulls and pushes move content: all that such a program has to know of the contract (shared/client.ts). */
import * as z from "zod";
import { Ref } from "../names.ts";
import { DownloadBatch, DownloadRequest, RecipeAnswer, RecipeQuery } from "./downloads.ts";
import { ManifestAnswer, REPOSITORY_PATH } from "./repositories.ts";
import type { RouteSpec } from "./route-spec.ts";
import {
  Commit,
  CommitRequest,
  Confirmation,
  ConfirmRequest,
  RecipeDigests,
  RecipesRequest,
  Reservation,
  ReserveRequest,
  Upload,
  UploadRequest,
} from "./uploads.ts";

const REPOSITORY = REPOSITORY_PATH;
const ofRef = z.object({ ref: Ref });
const ofUpload = z.object({ upload: z.string() });

export const READ_ROUTES = {
  manifest: {
    method: "GET",
    path: `${REPOSITORY}/revisions/:ref/manifest`,
    summary: "The files of a revision",
    needs: "pull",
    status: 200,
    params: ofRef,
    answer: ManifestAnswer,
  },
  readRecipes: {
    method: "POST",
    path: `${REPOSITORY}/revisions/:ref/recipes`,
    summary: "Recipes that a revision names",
    needs: "pull",
    status: 200,
    params: ofRef,
    body: RecipeQuery,
    answer: RecipeAnswer,
  },
  download: {
    method: "POST",
    path: `${REPOSITORY}/revisions/:ref/downloads`,
    summary: "Presigned GETs for chunks of a revision",
    needs: "pull",
    signs: true,
    status: 200,
    params: ofRef,
    body: DownloadRequest,
    answer: DownloadBatch,
  },
} as const satisfies Record<string, RouteSpec>;

export const SEND_ROUTES = {
  openUpload: {
    method: "POST",
    path: `${REPOSITORY}/uploads`,
    summary: "Open an upload, or go on with the unfinished one",
    needs: "push",
    status: 200,
    body: UploadRequest,
    answer: Upload,
  },
  reserve: {
    method: "POST",
    path: `${REPOSITORY}/uploads/:upload/reserve`,
    summary: "For each chunk: have it, or a ticket",
    needs: "push",
    signs: true,
    status: 200,
    params: ofUpload,
    body: ReserveRequest,
    answer: Reservation,
  },
  confirm: {
    method: "POST",
    path: `${REPOSITORY}/uploads/:upload/confirm`,
    summary: "Chunks were sent: look",
    needs: "push",
    status: 200,
    params: ofUpload,
    body: ConfirmRequest,
    answer: Confirmation,
  },
  sendRecipes: {
    method: "POST",
    path: `${REPOSITORY}/uploads/:upload/recipes`,
    summary: "Store recipes",
    needs: "push",
    status: 200,
    params: ofUpload,
    body: RecipesRequest,
    answer: RecipeDigests,
  },
  commit: {
    method: "POST",
    path: `${REPOSITORY}/uploads/:upload/commit`,
    summary: "Make a revision and move the branch",
    needs: "push",
    status: 201,
    params: ofUpload,
    body: CommitRequest,
    answer: Commit,
  },
} as const satisfies Record<string, RouteSpec>;
