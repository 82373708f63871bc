/**
 * Upstash runs a script under a lock of the whole database unless its first line says `#!lua flags=allow-key-locking`. Plain Redis
 * refuses that flag, so it is taken out here, and the digest by which a caller names such a script (of the text with the flag) is
 * translated into the digest that Redis knows (of the text without).
 */
import { createHash } from "node:crypto";
import type { Command } from "./resp.ts";

const FLAG = "allow-key-locking";
/** Digests are learned from the texts that pass by; a forgotten one costs the caller one EVAL more. */
const KNOWN_MAX = 10_000;

export class ScriptFlags {
  /** sha1 of the caller's text → sha1 of Redis's text, the oldest first. */
  readonly #known = new Map<string, string>();

  /** `command` as Redis must see it. */
  translate(command: Command): Command {
    const [name, first, ...rest] = command;
    if (name === undefined || first === undefined) return command;
    switch (name.toUpperCase()) {
      case "EVAL":
      case "EVAL_RO":
        return [name, this.#learn(first), ...rest];
      case "EVALSHA":
      case "EVALSHA_RO":
        return [name, this.#digestOf(first), ...rest];
      case "SCRIPT":
        return this.#script(name, first, rest);
      default:
        return command;
    }
  }

  /**
   * The digest that the caller will use, when `command` is a SCRIPT LOAD whose text was changed: Redis answers with its own digest,
   * which would mean nothing to a caller who computes digests himself.
   */
  loadedDigest(command: Command): string | null {
    const [name, verb, text] = command;
    if (name?.toUpperCase() !== "SCRIPT" || verb?.toUpperCase() !== "LOAD" || text === undefined) return null;
    return withoutFlag(text) === text ? null : sha1(text);
  }

  #script(name: string, verb: string, rest: Command): Command {
    switch (verb.toUpperCase()) {
      case "LOAD":
        return [name, verb, ...rest.map((text) => this.#learn(text))];
      case "EXISTS":
        return [name, verb, ...rest.map((digest) => this.#digestOf(digest))];
      default:
        return [name, verb, ...rest];
    }
  }

  #learn(text: string): string {
    const plain = withoutFlag(text);
    if (plain === text) return text;
    this.#remember(sha1(text), sha1(plain));
    return plain;
  }

  #remember(theirs: string, ours: string): void {
    this.#known.delete(theirs);
    this.#known.set(theirs, ours);
    const [oldest] = this.#known.keys();
    if (this.#known.size > KNOWN_MAX && oldest !== undefined) this.#known.delete(oldest);
  }

  #digestOf(digest: string): string {
    return this.#known.get(digest.toLowerCase()) ?? digest;
  }
}

/**
 * `text` without Upstash's flag. Other flags stay, for they change what Redis enforces; a first line that says nothing more becomes
 * empty, so that the line numbers of Redis's errors stay right.
 */
export function withoutFlag(text: string): string {
  const [line] = /^#!lua[^\n]*/.exec(text) ?? [];
  if (line === undefined) return text;
  const words = line.split(/\s+/).filter((word) => word !== "");
  const kept = words.map(withoutFlagIn).filter((word) => word !== "");
  if (kept.join(" ") === words.join(" ")) return text;
  return (kept.length > 1 ? kept.join(" ") : "") + text.slice(line.length);
}

function withoutFlagIn(word: string): string {
  if (!word.startsWith("flags=")) return word;
  const flags = word.slice("flags=".length).split(",");
  const kept = flags.filter((flag) => flag !== FLAG);
  return kept.length === 0 ? "" : `flags=${kept.join(",")}`;
}

function sha1(text: string): string {
  return createHash("sha1").update(text).digest("hex");
}
