/** How the Node server listens, from the environment. */
import { readFileSync } from "node:fs";
import * as z from "zod";
import { FerryError } from "../../shared/errors.ts";

const PROCESSES_MAX = 64;

const Settings = z.object({
  PORT: z.coerce.number().int().min(0).max(65_535).default(8787),
  HOST: z.string().min(1).default("127.0.0.1"),
  PROCESSES: z.coerce.number().int().min(1).max(PROCESSES_MAX).default(1),
  TLS_CERT_FILE: z.string().min(1).optional(),
  TLS_KEY_FILE: z.string().min(1).optional(),
});

export type TlsFiles = { certFile: string; keyFile: string };
export type Listening = { port: number; host: string; processes: number; tls: TlsFiles | null };

/** Throws CONFIG_INVALID naming every setting that is wrong. */
export function parseListening(env: unknown): Listening {
  const parsed = Settings.safeParse(env);
  if (!parsed.success) throw invalid(parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; "));
  const { PORT: port, HOST: host, PROCESSES: processes, TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile } = parsed.data;
  if (certFile === undefined && keyFile === undefined) return { port, host, processes, tls: null };
  if (certFile === undefined || keyFile === undefined) throw invalid("TLS_CERT_FILE and TLS_KEY_FILE: both, or neither");
  return { port, host, processes, tls: { certFile, keyFile } };
}

/** PEM texts as Node's https takes them. Throws CONFIG_INVALID naming the file that can't be read. */
export function readTls({ certFile, keyFile }: TlsFiles): { cert: string; key: string; minVersion: "TLSv1.2" } {
  return { cert: readPem(certFile, "TLS_CERT_FILE"), key: readPem(keyFile, "TLS_KEY_FILE"), minVersion: "TLSv1.2" };
}

function readPem(file: string, setting: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const why = error instanceof Error && "code" in error ? String(error.code) : "it can't be read";
    throw invalid(`${setting}: ${file}: ${why}`);
  }
}

function invalid(problem: string): FerryError {
  return new FerryError("CONFIG_INVALID", { problem });
}
