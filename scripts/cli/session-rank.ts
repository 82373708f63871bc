/** Which part of how many a process is: what its flags say, else what its launcher has put into the environment. */
import * as z from "zod";
import { PARTS_MAX, SessionName } from "../../shared/contract/parts.ts";
import { FerryError } from "../../shared/errors.ts";
import type { Host } from "./host.ts";
import { countValue } from "./values.ts";

/** Asked in this order. Where `size` is null the launcher tells no process how many there are. */
const LAUNCHERS = [
  { of: "torchrun", rank: "RANK", size: "WORLD_SIZE" },
  { of: "Slurm", rank: "SLURM_PROCID", size: "SLURM_NTASKS" },
  { of: "Open MPI", rank: "OMPI_COMM_WORLD_RANK", size: "OMPI_COMM_WORLD_SIZE" },
  { of: "a Kubernetes Indexed Job", rank: "JOB_COMPLETION_INDEX", size: null },
  { of: "Volcano", rank: "VC_TASK_INDEX", size: null },
] as const;

export const PartValue = z.string().transform((text, context): "auto" | number => {
  if (text === "auto") return text;
  const number = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (number < PARTS_MAX) return number;
  context.addIssue(`'${text}' is not 'auto' or a number from 0 to ${PARTS_MAX - 1}`);
  return z.NEVER;
});
export const PartsValue = countValue(1, PARTS_MAX);

export const SessionValue = z.string().transform((text, context): SessionName => {
  const parsed = SessionName.safeParse(text);
  if (parsed.success) return parsed.data;
  context.addIssue(`'${text}' is not a session's name: ${parsed.error.issues[0]?.message}`);
  return z.NEVER;
});

export type PartFlags = { part?: "auto" | number | undefined; parts?: number | undefined };

/** Throws USAGE_INVALID when neither flags nor environment tell, or when they do not fit. */
export function partOf(env: Host["env"], { part = "auto", parts }: PartFlags): { part: number; parts: number } {
  const launcher = LAUNCHERS.find(({ rank }) => (env[rank] ?? "") !== "");
  const number = part === "auto" ? rankFrom(env, launcher?.rank) : part;
  const count = parts ?? sizeFrom(env, launcher?.size);
  if (number >= count) throw usage(`part ${number} of ${count}: parts are counted from 0`);
  return { part: number, parts: count };
}

function rankFrom(env: Host["env"], name: string | undefined): number {
  if (name !== undefined) return numberFrom(env, name);
  const names = LAUNCHERS.map(({ rank }) => rank).join(", ");
  throw usage(`which part is this? None of ${names} is set; say --part K`);
}

function sizeFrom(env: Host["env"], own: string | null | undefined): number {
  // A launcher that does not tell may run below one that does; a part given by hand needs no launcher.
  const name = [own, ...LAUNCHERS.map(({ size }) => size)].find((size) => typeof size === "string" && (env[size] ?? "") !== "");
  if (typeof name === "string") return numberFrom(env, name);
  throw usage("how many parts are there? The environment does not tell; say --parts N");
}

function numberFrom(env: Host["env"], name: string): number {
  const text = env[name] ?? "";
  const number = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (number <= PARTS_MAX) return number;
  throw usage(`${name} is '${text.slice(0, 40)}', which is no number up to ${PARTS_MAX}`);
}

function usage(problem: string): FerryError {
  return new FerryError("USAGE_INVALID", { problem });
}
