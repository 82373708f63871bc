/** How agents and their groups are called. */
import * as z from "zod";

export const AgentId = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}(?![\s\S])/, "1 to 128 letters, digits, '.', '_' and '-'; begins with a letter or digit");
export type AgentId = z.infer<typeof AgentId>;

/** The agents of a group are one ring. */
export const GroupName = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?(?![\s\S])/, "lower-case letters, digits and '-', at most 64");
export type GroupName = z.infer<typeof GroupName>;
