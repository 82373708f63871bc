/** Whose address a Node deployment believes: the socket's, and what proxies say that its settings name. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clientAddress } from "../../../functions/node/client-address.ts";

const PROXIES = ["10.0.0.0/8", "fd00::/8"];

/** [what, proxies, peer of the socket, X-Forwarded-For, whose address] */
const CASES: [string, string[], string | undefined, string | undefined, string | null][] = [
  ["nobody else is there", [], "192.0.2.7", undefined, "192.0.2.7"],
  ["no proxy is named, so nobody is believed", [], "10.1.1.1", "192.0.2.7", "10.1.1.1"],
  ["a stranger says something", PROXIES, "192.0.2.7", "198.51.100.1", "192.0.2.7"],
  ["a proxy says whom it was asked by", PROXIES, "10.1.1.1", "192.0.2.7", "192.0.2.7"],
  ["a proxy says nothing", PROXIES, "10.1.1.1", undefined, "10.1.1.1"],
  ["the client says something first", PROXIES, "10.1.1.1", "198.51.100.1, 192.0.2.7", "192.0.2.7"],
  ["two proxies", PROXIES, "10.1.1.1", "198.51.100.1, 192.0.2.7, 10.2.2.2", "192.0.2.7"],
  ["all are proxies", PROXIES, "10.1.1.1", "10.3.3.3, 10.2.2.2", "10.3.3.3"],
  ["a proxy passes nonsense on", PROXIES, "10.1.1.1", "192.0.2.7, unknown", "10.1.1.1"],
  ["a client says nonsense before", PROXIES, "10.1.1.1", "<script>, 192.0.2.7", "192.0.2.7"],
  ["sockets for both families", PROXIES, "::ffff:10.1.1.1", "192.0.2.7", "192.0.2.7"],
  ["IPv6", PROXIES, "fd00::1", "2001:db8::7", "2001:db8::7"],
  ["a socket that is gone", PROXIES, undefined, "192.0.2.7", null],
];

for (const [what, proxies, remoteAddress, forwarded, expected] of CASES) {
  test(`${what}: ${expected}`, () => {
    const env = { incoming: { socket: { remoteAddress } } };
    const context = { env, req: { header: (name: string) => (name === "x-forwarded-for" ? forwarded : "198.51.100.99") } };
    assert.equal(clientAddress(proxies)(context as never), expected);
  });
}
