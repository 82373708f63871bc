/** Which further ways to read the Node server has, from the environment: FERRY_XET=on, FERRY_OLLAMA_TOKEN_FILE. */
import { readFileSync } from "node:fs";
import * as z from "zod";
import { FerryError, problemOf } from "../../shared/errors.ts";
import type { Reading } from "../doors/registry-reading.ts";

const Settings = z.object({ FERRY_XET: z.enum(["on", "off"]).default("off"), FERRY_OLLAMA_TOKEN_FILE: z.string().min(1).optional() });

/** Throws CONFIG_INVALID. */
export function parseReading(env: unknown): Reading {
  const parsed = Settings.safeParse(env);
  if (!parsed.success) throw new FerryError("CONFIG_INVALID", { problem: "FERRY_XET: on or off" });
  const { FERRY_XET, FERRY_OLLAMA_TOKEN_FILE: file } = parsed.data;
  return { xet: FERRY_XET === "on", ollamaToken: file === undefined ? null : readToken(file) };
}

function readToken(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (cause) {
    throw new FerryError("CONFIG_INVALID", { problem: `FERRY_OLLAMA_TOKEN_FILE: ${problemOf(cause)}` }, { cause });
  }
}
