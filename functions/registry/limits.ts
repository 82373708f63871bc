/** How much one identity or address may ask for; the deployment's settings may say otherwise. */
import * as z from "zod";

export const Limits = z.strictObject({
  /** Requests of one token; heavy ones count several times. */
  requestsPerMinute: z.int().min(1).max(1_000_000).default(6_000),
  /** Tickets and presigned URLs of one token. */
  urlsPerMinute: z.int().min(1).max(100_000_000).default(50_000),
  /** Uploads of one token that are begun, within a day, and not committed. */
  openUploads: z.int().min(1).max(1_000_000).default(256),
  /** Tokens that are refused, from one address. */
  failuresPerMinute: z.int().min(1).max(1_000_000).default(30),
  /** Exchanges of identities, from one address: a whole cluster may stand behind it. */
  exchangesPerMinute: z.int().min(1).max(1_000_000).default(1_200),
});
export type Limits = z.infer<typeof Limits>;
