/** Networks are read and compared as node:net does it, and doubtful spellings are refused. */
import assert from "node:assert/strict";
import { BlockList, isIPv4, isIPv6 } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { coversNetwork, isAddress, isInNetwork, Network, subscriberOf } from "../../../shared/networks.ts";

const SPELLINGS: [text: string, isNetwork: boolean][] = [
  ["10.0.0.0/8", true],
  ["0.0.0.0/0", true],
  ["192.0.2.7", true],
  ["192.0.2.7/32", true],
  ["::/0", true],
  ["::1", true],
  ["2001:db8::/32", true],
  ["2001:DB8:0:0:1::/80", true],
  ["64:ff9b::192.0.2.33", true],
  ["10.0.0.1/8", false],
  ["2001:db8::1/32", false],
  ["10.0.0.0/33", false],
  ["10.0.0.0/08", false],
  ["10.0.0.0/-1", false],
  ["10.0.0.0/", false],
  ["10.0.0/8", false],
  ["010.0.0.0/8", false],
  ["10.0.0.256", false],
  ["0x0a.0.0.0", false],
  ["::ffff:10.0.0.0/104", false],
  ["::/129", false],
  ["1::2::3", false],
  ["1:2:3:4:5:6:7", false],
  ["1:2:3:4:5:6:7:8::", false],
  ["fe80::1%eth0", false],
  ["12345::", false],
  ["1.2.3.4::", false],
  [":1", false],
  ["", false],
  ["10.0.0.0/8\n", false],
  ["localhost", false],
];

for (const [text, isNetwork] of SPELLINGS) {
  test(`${JSON.stringify(text)} is ${isNetwork ? "a" : "no"} network`, () => assert.equal(Network.safeParse(text).success, isNetwork));
}

const ipv4 = fc.ipV4();
const ipv6 = fc.ipV6();

test("an address is what node:net takes for one", () => {
  fc.assert(
    fc.property(fc.oneof(ipv4, ipv6, fc.stringMatching(/^[0-9a-f:.]{0,20}$/)), (text) => {
      assert.equal(isAddress(text), isIPv4(text) || isIPv6(text), text);
    }),
    { numRuns: 2_000 },
  );
});

test("an address is in a network when node:net's list says so, for both families", () => {
  const near = (address: string) => fc.oneof(fc.constant(address), isIPv4(address) ? ipv4 : ipv6);
  const cases = fc.oneof(ipv4, ipv6).chain((base) => fc.tuple(fc.constant(base), fc.nat(isIPv4(base) ? 32 : 128), near(base)));
  fc.assert(
    fc.property(cases, ([base, prefixLength, address]) => {
      const family = isIPv4(base) ? "ipv4" : "ipv6";
      const network = `${masked(base, prefixLength)}/${prefixLength}`;
      // Mapped addresses are IPv4 here.
      if (!Network.safeParse(network).success || /^::ffff:/i.test(base)) return;
      const list = new BlockList();
      list.addSubnet(base, prefixLength, family);
      assert.equal(isInNetwork(network, address), list.check(address, family), `${network} ${address}`);
    }),
    { numRuns: 2_000 },
  );
});

test("IPv4 in a socket's IPv6 spelling is IPv4", () => {
  assert.ok(isInNetwork("192.0.2.0/24", "::ffff:192.0.2.7"));
  assert.ok(isInNetwork("192.0.2.0/24", "::FFFF:c000:0207"));
  assert.ok(!isInNetwork("::/0", "192.0.2.7"));
  assert.equal(subscriberOf("::ffff:192.0.2.7"), subscriberOf("192.0.2.7"));
});

test("a network covers itself and what lies in it, no more", () => {
  for (const [outer, inner, expected] of [
    ["10.0.0.0/8", "10.0.0.0/8", true],
    ["10.0.0.0/8", "10.1.0.0/16", true],
    ["10.0.0.0/8", "10.1.2.3", true],
    ["10.0.0.0/8", "0.0.0.0/0", false],
    ["10.0.0.0/8", "11.0.0.0/16", false],
    ["0.0.0.0/0", "::/0", false],
    ["::/0", "10.0.0.0/8", false],
    ["2001:db8::/32", "2001:db8:1::/48", true],
  ] as const)
    assert.equal(coversNetwork(outer, inner), expected, `${outer} ${inner}`);
});

test("a subscriber is an IPv4 address, or the /64 of an IPv6 one", () => {
  assert.equal(subscriberOf("2001:db8::1"), subscriberOf("2001:db8::ffff:1"));
  assert.notEqual(subscriberOf("2001:db8::1"), subscriberOf("2001:db8:0:1::1"));
  assert.notEqual(subscriberOf("192.0.2.1"), subscriberOf("192.0.2.2"));
  assert.equal(subscriberOf("unknown"), null);
});

/** `address` with all bits after the prefix cleared. */
function masked(address: string, prefixLength: number): string {
  if (isIPv4(address)) {
    const value = address.split(".").reduce((bits, part) => (bits << 8n) | BigInt(part), 0n);
    const cleared = clear(value, 32, prefixLength);
    return [24n, 16n, 8n, 0n].map((shift) => (cleared >> shift) & 255n).join(".");
  }
  const groups = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const [head = [], tail = []] = groups.map((part) => (part === "" ? [] : part.split(":")));
  const all = [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => "0"), ...tail];
  const cleared = clear(
    all.reduce((bits, part) => (bits << 16n) | BigInt(`0x${part}`), 0n),
    128,
    prefixLength,
  );
  return Array.from({ length: 8 }, (_, at) => ((cleared >> BigInt(112 - 16 * at)) & 0xffffn).toString(16)).join(":");
}

function clear(bits: bigint, width: number, prefixLength: number): bigint {
  const shift = BigInt(width - prefixLength);
  return (bits >> shift) << shift;
}
