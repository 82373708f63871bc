/** Mounts what Hub clients write. */
import type { Gate, Visit } from "../gate.ts";
import type { Workshop } from "../workshop.ts";
import {
  createBranch,
  createRepo,
  createTag,
  deleteBranch,
  deleteLfsFiles,
  deleteRepo,
  deleteTag,
  lfsFiles,
  moveRepo,
  settings,
  superSquash,
  type Working,
} from "./manage.ts";
import { type AnyApp, MODEL, opened } from "./read.ts";
import { commit, lfsBatch, lfsVerify, preupload } from "./upload.ts";

const LFS = "/:namespace/:name/info/lfs";

export function mountHubWrite(app: AnyApp, gate: Gate<Workshop>): void {
  const on = (method: string, path: string, visit: Visit, answer: Working) => app.on(method, path, (c) => opened(c, gate, visit, answer));
  on("POST", "/api/repos/create", { act: "hub.create", recorded: "later", cost: 5 }, createRepo);
  on("DELETE", "/api/repos/delete", { act: "hub.delete", recorded: "before" }, deleteRepo);
  on("POST", "/api/repos/move", { act: "hub.move", recorded: "before", cost: 5 }, moveRepo);
  on("PUT", `${MODEL}/settings`, { act: "hub.settings", recorded: "later" }, settings);
  on("POST", `${MODEL}/branch/*`, { act: "hub.branch", recorded: "later", cost: 5 }, createBranch);
  on("DELETE", `${MODEL}/branch/*`, { act: "hub.unbranch", recorded: "before" }, deleteBranch);
  on("POST", `${MODEL}/tag/*`, { act: "hub.tag", recorded: "before" }, createTag);
  on("DELETE", `${MODEL}/tag/*`, { act: "hub.untag", recorded: "before" }, deleteTag);
  on("POST", `${MODEL}/super-squash/*`, { act: "hub.squash", recorded: "before", cost: 20 }, superSquash);
  on("GET", `${MODEL}/lfs-files`, { act: "hub.read", recorded: "never", cost: 5 }, lfsFiles);
  on("POST", `${MODEL}/lfs-files/batch`, { act: "hub.expunge", recorded: "before", cost: 20 }, deleteLfsFiles);
  on("POST", `${MODEL}/preupload/*`, { act: "hub.preupload", recorded: "never", cost: 2 }, preupload);
  on("POST", `${MODEL}/commit/*`, { act: "hub.commit", recorded: "later", cost: 5 }, commit);
  on("POST", `${LFS}/objects/batch`, { act: "hub.stage", recorded: "later", cost: 5 }, lfsBatch);
  on("POST", `${LFS}/verify`, { act: "hub.verify", recorded: "never", cost: 5 }, lfsVerify);
}
