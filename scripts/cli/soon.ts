/** Commands that pods wait for: each is read without what only the others are made of, and so begins in half the time. */
import type { Command } from "commander";
import type { Act } from "./act.ts";

export const SOON: Readonly<Record<string, () => Promise<(program: Command, act: Act) => void>>> = {
  pull: async () => (await import("./pull.ts")).addPull,
  push: async () => (await import("./push.ts")).addPush,
};
