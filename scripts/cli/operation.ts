/** Operation ids: one for each act that a person starts, the same for every retry of it. */
import { randomBytes } from "node:crypto";
import { OperationId } from "../../shared/names.ts";

export function newOperationId(): OperationId {
  return OperationId.parse(randomBytes(18).toString("base64url"));
}
