/** What the bench tells its S3 server while it runs, over the channel to the process. */
import * as z from "zod";
import { Faults } from "./faults.ts";

export const ServerSettings = z.object({
  bucket: z.string(),
  accessKeyId: z.string(),
  folder: z.string(),
  tls: z.object({ key: z.string(), certificate: z.string() }).nullable(),
});
export type ServerSettings = z.infer<typeof ServerSettings>;

export const Order = z.discriminatedUnion("order", [
  z.object({ order: z.literal("start"), settings: ServerSettings }),
  /** Files of ours become objects as they are. */
  z.object({
    order: z.literal("adopt"),
    objects: z.array(z.object({ key: z.string(), path: z.string(), sizeBytes: z.number(), md5: z.string() })),
  }),
  /** Small objects, many at once. */
  z.object({ order: z.literal("store"), objects: z.array(z.object({ key: z.string(), text: z.string() })) }),
  z.object({ order: z.literal("discard"), prefixes: z.array(z.string()) }),
  z.object({ order: z.literal("remove"), prefix: z.string() }),
  z.object({ order: z.literal("faults"), faults: Faults }),
  z.object({ order: z.literal("counts") }),
]);
export type Order = z.infer<typeof Order>;

export const Counted = z.array(z.object({ operation: z.string(), count: z.number(), firstAtMs: z.number() }));
export const Started = z.object({ port: z.number() });

export const Numbered = z.object({ id: z.number(), order: Order });
/** The answer to the order of the same number. */
export const Done = z.object({ id: z.number(), answer: z.unknown().optional(), problem: z.string().optional() });
