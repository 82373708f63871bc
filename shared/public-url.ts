/**
 * Whether a URL that somebody gives may be asked by the deployment: https, the usual port, a name of the public internet. No address is
 * one, however it is spelled: URL turns `0x7f.1`, `2130706433` and full-width digits into the address they are. What the name leads to in
 * the end is the resolver's to say; on Node whoever connects must look at that address, too (`isPublicAddress`).
 */

const PRIVATE_NAMES =
  /(^|\.)(localhost|local|internal|intranet|lan|home|corp|private|localdomain|home\.arpa|in-addr\.arpa|ip6\.arpa|test|invalid|onion|svc|cluster\.local)$/;
const NAME = /^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$/;

export function isPublicUrl(text: string): boolean {
  // Characters that parsers drop or read differently.
  if (text.length > 2_000 || /[\s\\\p{Cc}]/u.test(text) || !URL.canParse(text)) return false;
  const { protocol, hostname, port, username, password } = new URL(text);
  if (protocol !== "https:" || port !== "" || username !== "" || password !== "") return false;
  return /^https:\/\/[^@]*$/i.test(text.split(/[/?#]/, 3).join("/")) && NAME.test(hostname) && !PRIVATE_NAMES.test(hostname);
}

/** Networks that are not the public internet (RFC 6890 and what clouds put their metadata at), as first address and prefix length. */
const PRIVATE_V4: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
];

/** Of an address as a resolver gives it. Of IPv6 only global unicast (2000::/3), without what leads back to IPv4 or is no place. */
export function isPublicAddress(address: string): boolean {
  const v4 = numberOf(address);
  if (v4 !== null) return !PRIVATE_V4.some(([first, bits]) => (numberOf(first) ?? 0) >>> (32 - bits) === v4 >>> (32 - bits));
  const v6 = address.toLowerCase();
  return /^[23][0-9a-f]{0,3}:[0-9a-f:]+$/.test(v6) && !/^(2002:|2001:0{0,3}:|2001:0?db8:|2001::|3fff:)/.test(v6);
}

function numberOf(address: string): number | null {
  const parts = address.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) return null;
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0);
}
