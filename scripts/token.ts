/** `npm run token`: a new token in the right form, for BOOTSTRAP_TOKEN of a deployment. */
import { randomBytes } from "node:crypto";
import { makeToken } from "../shared/token.ts";

console.log(makeToken(randomBytes(32)));
