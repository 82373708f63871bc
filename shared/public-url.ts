/**
 * Which URLs and addresses others may have us ask: those of the public internet. A URL is read as `fetch` reads it, so that every spelling of
 * an address (decimal, octal, hex, short, full-width digits, percent signs, mapped into IPv6) is judged as the address that would be asked.
 * A name may still lead anywhere: who connects judges the address too, and connects to that one.
 */
import { isAddress, isInNetwork } from "./networks.ts";

/** IANA's special-purpose registries (RFC 6890 and its successors). */
const CLOSED_4 = [
  ...["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24"],
  ...["192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15"],
  ...["198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"],
];
/** Outside of 2000::/3 nothing is public; of it not what carries other addresses (Teredo, 6to4), documentation and the like. */
const OPEN_6 = "2000::/3";
const CLOSED_6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "2620:4f:8000::/48"];
/** Names that are only good inside of a network: RFC 6761, 6762, 8375 and ICANN's `internal`, and what clouds call their own. */
const CLOSED_NAMES =
  /(^|\.)(localhost|local|internal|intranet|lan|home|corp|private|localdomain|home\.arpa|test|invalid|example|onion|svc|arpa)$/;

/** Null for one that may be asked, else why not. `privateHosts`: names or addresses that may be asked all the same, and without TLS. */
export function urlProblem(text: string, privateHosts: readonly string[] = []): string | null {
  const url = URL.parse(text);
  if (url === null) return "it is no URL";
  if (url.username !== "" || url.password !== "") return "it holds a user or password";
  if (url.protocol !== "https:" && url.protocol !== "http:") return "it is not https://";
  const host = url.hostname
    .replace(/^\[|\]$/g, "")
    .replace(/\.$/, "")
    .toLowerCase();
  if (privateHosts.includes(host)) return null;
  if (url.protocol !== "https:") return "it is not https://";
  if (isAddress(host)) return isPublicAddress(host) ? null : "its address is not a public one";
  if (host.includes(":")) return "its address is not a public one";
  if (!host.includes(".") || CLOSED_NAMES.test(host)) return "its host is not a public one";
  return null;
}

/** False also for what is no address. */
export function isPublicAddress(address: string): boolean {
  if (!isAddress(address)) return false;
  if (CLOSED_4.some((network) => isInNetwork(network, address))) return false;
  const isMappedOr4 = !address.includes(":") || isInNetwork("0.0.0.0/0", address);
  if (isMappedOr4) return true;
  return isInNetwork(OPEN_6, address) && !CLOSED_6.some((network) => isInNetwork(network, address));
}
