/** How the command table makes an action of what a command's file gives it. */
import type { Command } from "commander";
import type * as z from "zod";
import type { Cli } from "./cli.ts";
import type { ExitName } from "./exit.ts";

/**
 * Makes the action of a command: its flags and `args` go through `input` once, then `run` gets the parsed value. `run` may return how the
 * program ends; without, it ends well.
 */
export type Act = <S extends z.ZodType>(
  input: S,
  run: (cli: Cli, input: z.infer<S>) => Promise<ExitName | undefined> | Promise<void>,
) => (this: Command) => Promise<void>;
