/** Operation ids: one for each act that a person starts, the same for every retry of it. */
import { randomBytes } from "node:crypto";
import { OperationId } from "../../shared/names.ts";

export function newOperationId(): OperationId {
  // Some are typed as arguments of a command, where a leading '-' would be an option's.
  return OperationId.parse(randomBytes(18).toString("base64url").replace(/^-/, "_"));
}
