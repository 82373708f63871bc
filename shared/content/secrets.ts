/**
 * Secrets in text files that look as if they worked: by a form that one issuer alone gives out, and by randomness, so that examples and
 * placeholders are not told. What is found is told by its kind and line, never by its text.
 */
import { isToken } from "../token.ts";

export type Secret = { line: number; kind: string };

/** Of one file; more say no more. */
export const SECRETS_MAX = 20;
/** Lines of a notebook with pictures, and of minified code, are long; secrets are short. */
const LINE_LENGTH_MAX = 20_000;

type Rule = { kind: string; pattern: RegExp; isLive?: (text: string) => boolean };

/** No pattern has a repetition inside a repetition: each takes time in proportion to the line. */
const RULES: readonly Rule[] = [
  { kind: "modelferry token", pattern: /\bhf_[0-9A-Za-z]{36}\b/g, isLive: isToken },
  { kind: "Hugging Face token", pattern: /\bhf_[A-Za-z]{34}\b/g, isLive: (text) => isRandom(text.slice(3), 3.8) },
  { kind: "GitHub token", pattern: /\bgh[pousr]_[0-9A-Za-z]{36}\b/g, isLive: (text) => isRandom(text.slice(4), 3.8) },
  { kind: "GitHub token", pattern: /\bgithub_pat_[0-9A-Za-z]{22}_[0-9A-Za-z]{59}\b/g, isLive: (text) => isRandom(text.slice(11), 3.8) },
  { kind: "GitLab token", pattern: /\bglpat-[0-9A-Za-z_-]{20}\b/g, isLive: (text) => isRandom(text.slice(6), 3.2) },
  { kind: "Slack token", pattern: /\bxox[abeoprs]-[0-9A-Za-z-]{20,200}\b/g, isLive: (text) => isRandom(text.slice(5), 3) },
  {
    kind: "Slack webhook",
    pattern: /https:\/\/hooks\.slack\.com\/services\/T\w{6,12}\/B\w{6,12}\/\w{20,30}/g,
    isLive: (t) => isRandom(t.slice(34), 3),
  },
  { kind: "Google API key", pattern: /\bAIza[0-9A-Za-z_-]{35}/g, isLive: (text) => isRandom(text.slice(4), 3.8) },
  {
    kind: "API key",
    pattern: /\bsk-(?:ant-|proj-|or-v1-)?[0-9A-Za-z_-]{32,200}/g,
    isLive: (text) => isRandom(text.slice(3), 4) && /\d/.test(text),
  },
  { kind: "npm token", pattern: /\bnpm_[0-9A-Za-z]{36}\b/g, isLive: (text) => isRandom(text.slice(4), 3.8) },
  {
    kind: "bearer token",
    pattern: /\bauthorization["']?\s{0,4}[:=]\s{0,4}["']?bearer\s{1,4}[0-9A-Za-z._~+/=-]{20,2000}/gi,
    isLive: (text) => isRandom(/\S*$/.exec(text)?.[0] ?? "", 3.8),
  },
];

const PEM_BEGIN = /-----BEGIN (?:RSA |EC |DSA |OPENSSH |ENCRYPTED |PGP )?PRIVATE KEY(?: BLOCK)?-----/;
/** What stands after it, on the next lines or, escaped, on the same. */
const PEM_BODY = /^(?:\s|\\n|["',]|\w[\w-]*: [^\n]{0,200})*[0-9A-Za-z+/]{40}/;

const AWS_ID = /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/;
const AWS_SECRET = /(?<![0-9A-Za-z/+=])[0-9A-Za-z/+]{40}(?![0-9A-Za-z/+=])/g;
/** A key's id is no secret; the secret stands near it. */
const AWS_NEAR_LINES = 5;

/** Words that stand where a secret would be. */
const PLACEHOLDER = /example|placeholder|your|xxxx|1234567|abcdefg|\*\*\*|<|>|\$\{|redacted|dummy|changeme/i;

export function findSecrets(text: string): Secret[] {
  const lines = text.split("\n");
  const found: Secret[] = [];
  for (let at = 0; at < lines.length && found.length < SECRETS_MAX; at++) {
    const kind = secretIn(lines, at);
    if (kind !== null) found.push({ line: at + 1, kind });
  }
  return found;
}

function secretIn(lines: readonly string[], at: number): string | null {
  const line = (lines[at] ?? "").slice(0, LINE_LENGTH_MAX);
  if (line.length < 20) return null;
  for (const { kind, pattern, isLive } of RULES) {
    for (const [text] of line.matchAll(pattern)) if (!PLACEHOLDER.test(text) && isLive?.(text) !== false) return kind;
  }
  if (isPrivateKey(lines, at)) return "private key";
  return isAwsKey(lines, at) ? "AWS secret access key" : null;
}

function isPrivateKey(lines: readonly string[], at: number): boolean {
  const begin = PEM_BEGIN.exec(lines[at] ?? "");
  if (begin === null) return false;
  const after = [(lines[at] ?? "").slice(begin.index + begin[0].length), ...lines.slice(at + 1, at + 8)].join("\n").slice(0, 4_000);
  const body = PEM_BODY.exec(after)?.[0].slice(-40);
  return body !== undefined && isRandom(body, 3.5);
}

function isAwsKey(lines: readonly string[], at: number): boolean {
  const id = AWS_ID.exec(lines[at] ?? "")?.[0];
  if (id === undefined || PLACEHOLDER.test(id)) return false;
  const near = lines.slice(Math.max(0, at - AWS_NEAR_LINES), at + AWS_NEAR_LINES + 1).map((line) => line.slice(0, LINE_LENGTH_MAX));
  const secrets = near.flatMap((line) => [...line.matchAll(AWS_SECRET)].map(([text]) => text));
  return secrets.some((text) => isRandom(text, 4.2) && !PLACEHOLDER.test(text) && !/^[0-9a-f]+$/i.test(text));
}

/** Shannon's entropy of its characters, in bits each. */
function isRandom(text: string, bitsMin: number): boolean {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits >= bitsMin;
}
