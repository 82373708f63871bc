/** A certificate for the bench's HTTPS, made for one run by `openssl`. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { findProgram } from "../stack/child.ts";

/** PEM texts, and the file that clients are told to trust. */
export type Certificate = { key: string; certificate: string; file: string };

/** For 127.0.0.1, signed by itself, with a key as public servers have. Throws Error when openssl is missing or fails. */
export function makeCertificate(folder: string): Certificate {
  const openssl = findProgram("openssl");
  if (openssl === null) throw new Error("openssl is not installed, so there is no certificate for HTTPS");
  const [keyFile, file] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=bench"];
  const { status, stderr } = spawnSync(openssl, [...args, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", keyFile, "-out", file], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`openssl made no certificate: ${stderr.trim()}`);
  return { key: readFileSync(keyFile, "utf8"), certificate: readFileSync(file, "utf8"), file };
}
