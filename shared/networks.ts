/** IP addresses and networks as texts: `192.0.2.7`, `10.0.0.0/8`, `2001:db8::/32`. Without node:net, for it also runs in workerd. */
import * as z from "zod";

type Address = { family: 4 | 6; bits: bigint };
type Parsed = Address & { prefixLength: number };

const WIDTH = { 4: 32, 6: 128 } as const;
/** ::ffff:0:0/96: IPv4 as sockets that listen for both families write it. */
const MAPPED = 0xffffn;

/** A network, or one address. No bit may stand behind the prefix: `10.1.2.3/8` is somebody's mistake. */
export const Network = z
  .string()
  .max(50)
  .refine((text) => parseNetwork(text) !== null, "a network such as 10.0.0.0/8 or 2001:db8::/32, or an address");

export function isInNetwork(network: string, address: string): boolean {
  const net = parseNetwork(network);
  const one = parseAddress(address);
  return net !== null && one !== null && contains(net, one);
}

/** Whether every address of `inner` is one of `outer`. */
export function coversNetwork(outer: string, inner: string): boolean {
  const [large, small] = [parseNetwork(outer), parseNetwork(inner)];
  return large !== null && small !== null && small.prefixLength >= large.prefixLength && contains(large, small);
}

/**
 * What one subscriber is counted by: an IPv4 address, or the /64 of an IPv6 address, all of which one machine may use. Null for no address.
 */
export function subscriberOf(address: string): string | null {
  const parsed = parseAddress(address);
  if (parsed === null) return null;
  return parsed.family === 4 ? parsed.bits.toString(16).padStart(8, "0") : (parsed.bits >> 64n).toString(16).padStart(16, "0");
}

export function isAddress(text: string): boolean {
  return parseAddress(text) !== null;
}

function contains({ family, bits, prefixLength }: Parsed, address: Address): boolean {
  const shift = BigInt(WIDTH[family] - prefixLength);
  return address.family === family && address.bits >> shift === bits >> shift;
}

function parseNetwork(text: string): Parsed | null {
  const [, base = "", length] = /^([0-9A-Fa-f:.]+)(?:\/(0|[1-9]\d{0,2}))?(?![\s\S])/.exec(text) ?? [];
  const address = parseAddress(base);
  if (address === null || (base.includes(":") && address.family === 4)) return null;
  const width = WIDTH[address.family];
  const prefixLength = Number(length ?? width);
  if (prefixLength > width) return null;
  const shift = BigInt(width - prefixLength);
  return (address.bits >> shift) << shift === address.bits ? { ...address, prefixLength } : null;
}

/** Null for anything else, zones and leading zeros included: others read those as octal. */
function parseAddress(text: string): Address | null {
  if (!text.includes(":")) {
    const bits = parseIpv4(text);
    return bits === null ? null : { family: 4, bits };
  }
  const bits = parseIpv6(text);
  if (bits === null) return null;
  return bits >> 32n === MAPPED ? { family: 4, bits: bits & 0xffff_ffffn } : { family: 6, bits };
}

function parseIpv4(text: string): bigint | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  let bits = 0n;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})(?![\s\S])/.test(part) || Number(part) > 255) return null;
    bits = (bits << 8n) | BigInt(part);
  }
  return bits;
}

function parseIpv6(text: string): bigint | null {
  const [head = "", tail, ...more] = text.split("::");
  if (more.length > 0) return null;
  const before = groupsOf(head);
  const after = tail === undefined ? [] : groupsOf(tail);
  if (before === null || after === null) return null;
  const missing = 8 - before.length - after.length;
  // '::' stands for one group at least.
  if (tail === undefined ? missing !== 0 : missing < 1) return null;
  // IPv4 in its own notation may only end an address.
  if (tail !== undefined && head.includes(".")) return null;
  const groups = [...before, ...Array.from({ length: missing }, () => 0n), ...after];
  return groups.reduce((bits, group) => (bits << 16n) | group, 0n);
}

function groupsOf(text: string): bigint[] | null {
  if (text === "") return [];
  const groups: bigint[] = [];
  const parts = text.split(":");
  for (const [at, part] of parts.entries()) {
    if (part.includes(".")) {
      const bits = at === parts.length - 1 ? parseIpv4(part) : null;
      if (bits === null) return null;
      groups.push(bits >> 16n, bits & 0xffffn);
    } else {
      if (!/^[0-9A-Fa-f]{1,4}(?![\s\S])/.test(part)) return null;
      groups.push(BigInt(`0x${part}`));
    }
  }
  return groups;
}
