/**
 * Pickles as CPython 3 writes them (`pickle.dumps(value, protocol)`), and a writer of such as no pickler writes. Nothing here can be run by
 * what reads it in these tests: they are bytes.
 */

/** `dangerous`: what of its imports must be found to be so. */
export const CPYTHON: readonly { name: string; dangerous: string[]; base64: string }[] = [
  {
    name: "os.system, protocol 0",
    dangerous: ["posix.system"],
    base64:
      "KGxwMApjcG9zaXgKc3lzdGVtCnAxCihWaWQKcDIKdHAzClJwNAphVnh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eApwNQphLg==",
  },
  {
    name: "eval inside a dict, protocol 0",
    dangerous: ["__builtin__.eval"],
    base64:
      "KGRwMApWYQpwMQoobHAyCkkxCmFGMi41CmFjX19idWlsdGluX18KZXZhbApwMwooVjEKcDQKdHA1ClJwNgphc1ZiCnA3CmNfY29kZWNzCmVuY29kZQpwOAooVnp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6CnA5ClZsYXRpbjEKcDEwCnRwMTEKUnAxMgpzLg==",
  },
  {
    name: "plain values, protocol 0",
    dangerous: [],
    base64:
      "KGRwMApWYQpwMQoobHAyCkkxCmFGMi41CmFWeApwMwphY19jb2RlY3MKZW5jb2RlCnA0CihWeXkKcDUKVmxhdGluMQpwNgp0cDcKUnA4CmFOYUkwMQphTDEwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDBMCmEoSTEKdHA5CmFjX19idWlsdGluX18Kc2V0CnAxMAooKGxwMTEKSTEKYUkyCmF0cDEyClJwMTMKYXMu",
  },
  {
    name: "an OrderedDict, protocol 0",
    dangerous: [],
    base64:
      "Y2NvbGxlY3Rpb25zCk9yZGVyZWREaWN0CnAwCih0UnAxClZhCnAyCkkxCnNWYgpwMwoobHA0CmNjb2xsZWN0aW9ucwpDb3VudGVyCnA1CigoZHA2ClZhCnA3CkkxCnNWYgpwOApJMQpzdHA5ClJwMTAKYXMu",
  },
  {
    name: "os.system, protocol 1",
    dangerous: ["posix.system"],
    base64:
      "XXEAKGNwb3NpeApzeXN0ZW0KcQEoWAIAAABpZHECdHEDUnEEWCwBAAB4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHhxBWUu",
  },
  {
    name: "eval inside a dict, protocol 1",
    dangerous: ["__builtin__.eval"],
    base64:
      "fXEAKFgBAAAAYXEBXXECKEsBR0AEAAAAAAAAY19fYnVpbHRpbl9fCmV2YWwKcQMoWAEAAAAxcQR0cQVScQZlWAEAAABicQdjX2NvZGVjcwplbmNvZGUKcQgoWMgAAAB6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enEJWAYAAABsYXRpbjFxCnRxC1JxDHUu",
  },
  {
    name: "plain values, protocol 1",
    dangerous: [],
    base64:
      "fXEAWAEAAABhcQFdcQIoSwFHQAQAAAAAAABYAQAAAHhxA2NfY29kZWNzCmVuY29kZQpxBChYAgAAAHl5cQVYBgAAAGxhdGluMXEGdHEHUnEITkkwMQpMMTAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMEwKKEsBdHEJY19fYnVpbHRpbl9fCnNldApxCihdcQsoSwFLAmV0cQxScQ1lcy4=",
  },
  {
    name: "an OrderedDict, protocol 1",
    dangerous: [],
    base64:
      "Y2NvbGxlY3Rpb25zCk9yZGVyZWREaWN0CnEAKVJxAShYAQAAAGFxAksBWAEAAABicQNdcQRjY29sbGVjdGlvbnMKQ291bnRlcgpxBSh9cQYoWAEAAABhcQdLAVgBAAAAYnEISwF1dHEJUnEKYXUu",
  },
  {
    name: "os.system, protocol 2",
    dangerous: ["posix.system"],
    base64:
      "gAJdcQAoY3Bvc2l4CnN5c3RlbQpxAVgCAAAAaWRxAoVxA1JxBFgsAQAAeHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4cQVlLg==",
  },
  {
    name: "eval inside a dict, protocol 2",
    dangerous: ["__builtin__.eval"],
    base64:
      "gAJ9cQAoWAEAAABhcQFdcQIoSwFHQAQAAAAAAABjX19idWlsdGluX18KZXZhbApxA1gBAAAAMXEEhXEFUnEGZVgBAAAAYnEHY19jb2RlY3MKZW5jb2RlCnEIWMgAAAB6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enEJWAYAAABsYXRpbjFxCoZxC1JxDHUu",
  },
  {
    name: "plain values, protocol 2",
    dangerous: [],
    base64:
      "gAJ9cQBYAQAAAGFxAV1xAihLAUdABAAAAAAAAFgBAAAAeHEDY19jb2RlY3MKZW5jb2RlCnEEWAIAAAB5eXEFWAYAAABsYXRpbjFxBoZxB1JxCE6Iig0AAABA6u10RtCcLJ8MSwGFcQljX19idWlsdGluX18Kc2V0CnEKXXELKEsBSwJlhXEMUnENZXMu",
  },
  {
    name: "an OrderedDict, protocol 2",
    dangerous: [],
    base64:
      "gAJjY29sbGVjdGlvbnMKT3JkZXJlZERpY3QKcQApUnEBKFgBAAAAYXECSwFYAQAAAGJxA11xBGNjb2xsZWN0aW9ucwpDb3VudGVyCnEFfXEGKFgBAAAAYXEHSwFYAQAAAGJxCEsBdYVxCVJxCmF1Lg==",
  },
  {
    name: "os.system, protocol 3",
    dangerous: ["posix.system"],
    base64:
      "gANdcQAoY3Bvc2l4CnN5c3RlbQpxAVgCAAAAaWRxAoVxA1JxBFgsAQAAeHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4cQVlLg==",
  },
  {
    name: "eval inside a dict, protocol 3",
    dangerous: ["builtins.eval"],
    base64:
      "gAN9cQAoWAEAAABhcQFdcQIoSwFHQAQAAAAAAABjYnVpbHRpbnMKZXZhbApxA1gBAAAAMXEEhXEFUnEGZVgBAAAAYnEHQ8h6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enEIdS4=",
  },
  {
    name: "plain values, protocol 3",
    dangerous: [],
    base64:
      "gAN9cQBYAQAAAGFxAV1xAihLAUdABAAAAAAAAFgBAAAAeHEDQwJ5eXEEToiKDQAAAEDq7XRG0JwsnwxLAYVxBWNidWlsdGlucwpzZXQKcQZdcQcoSwFLAmWFcQhScQllcy4=",
  },
  {
    name: "an OrderedDict, protocol 3",
    dangerous: [],
    base64:
      "gANjY29sbGVjdGlvbnMKT3JkZXJlZERpY3QKcQApUnEBKFgBAAAAYXECSwFYAQAAAGJxA11xBGNjb2xsZWN0aW9ucwpDb3VudGVyCnEFfXEGKFgBAAAAYXEHSwFYAQAAAGJxCEsBdYVxCVJxCmF1Lg==",
  },
  {
    name: "os.system, protocol 4",
    dangerous: ["posix.system"],
    base64:
      "gASVUwEAAAAAAABdlCiMBXBvc2l4lIwGc3lzdGVtlJOUjAJpZJSFlFKUWCwBAAB4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHiUZS4=",
  },
  {
    name: "eval inside a dict, protocol 4",
    dangerous: ["builtins.eval"],
    base64:
      "gASVAwEAAAAAAAB9lCiMAWGUXZQoSwFHQAQAAAAAAACMCGJ1aWx0aW5zlIwEZXZhbJSTlIwBMZSFlFKUZYwBYpRDyHp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6lHUu",
  },
  {
    name: "plain values, protocol 4",
    dangerous: [],
    base64: "gASVPQAAAAAAAAB9lIwBYZRdlChLAUdABAAAAAAAAIwBeJRDAnl5lE6Iig0AAABA6u10RtCcLJ8MSwGFlI+UKEsBSwKQZXMu",
  },
  {
    name: "an OrderedDict, protocol 4",
    dangerous: [],
    base64:
      "gASVUwAAAAAAAACMC2NvbGxlY3Rpb25zlIwLT3JkZXJlZERpY3SUk5QpUpQojAFhlEsBjAFilF2UaACMB0NvdW50ZXKUk5R9lCiMAWGUSwGMAWKUSwF1hZRSlGF1Lg==",
  },
  {
    name: "os.system, protocol 5",
    dangerous: ["posix.system"],
    base64:
      "gAWVUwEAAAAAAABdlCiMBXBvc2l4lIwGc3lzdGVtlJOUjAJpZJSFlFKUWCwBAAB4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHiUZS4=",
  },
  {
    name: "eval inside a dict, protocol 5",
    dangerous: ["builtins.eval"],
    base64:
      "gAWVAwEAAAAAAAB9lCiMAWGUXZQoSwFHQAQAAAAAAACMCGJ1aWx0aW5zlIwEZXZhbJSTlIwBMZSFlFKUZYwBYpRDyHp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6lHUu",
  },
  {
    name: "plain values, protocol 5",
    dangerous: [],
    base64: "gAWVPQAAAAAAAAB9lIwBYZRdlChLAUdABAAAAAAAAIwBeJRDAnl5lE6Iig0AAABA6u10RtCcLJ8MSwGFlI+UKEsBSwKQZXMu",
  },
  {
    name: "an OrderedDict, protocol 5",
    dangerous: [],
    base64:
      "gAWVUwAAAAAAAACMC2NvbGxlY3Rpb25zlIwLT3JkZXJlZERpY3SUk5QpUpQojAFhlEsBjAFilF2UaACMB0NvdW50ZXKUk5R9lCiMAWGUSwGMAWKUSwF1hZRSlGF1Lg==",
  },
  {
    name: "functools.partial of os.system, protocol 4",
    dangerous: ["functools.partial", "posix.system"],
    base64: "gASVNQAAAAAAAACMCWZ1bmN0b29sc5SMB3BhcnRpYWyUk5SMBXBvc2l4lIwGc3lzdGVtlJOUjAJpZJSGlFKULg==",
  },
];

/** Opcodes as characters and bytes: `ops("c", "os\\nsystem\\n")`. */
export function ops(...parts: (string | number | readonly number[])[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) =>
      typeof part === "number" ? [part] : typeof part === "string" ? [...part].map((character) => character.charCodeAt(0)) : [...part],
    ),
  );
}

/** SHORT_BINUNICODE. */
export function text(value: string): number[] {
  return [0x8c, value.length, ...[...value].map((character) => character.charCodeAt(0))];
}

export const PROTO4: readonly number[] = [0x80, 4];
export const [STACK_GLOBAL, MEMOIZE, TUPLE1] = [0x93, 0x94, 0x85];
