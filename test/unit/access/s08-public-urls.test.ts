/** S8: URLs that somebody gives lead to the public internet, or nowhere: every spelling of a private place is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Trust } from "../../../functions/registry/trusts.ts";
import { isPublicAddress, urlProblem } from "../../../shared/public-url.ts";

const REFUSED = [
  ...["http://example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com", "//example.com", "example.com", ""],
  ...["https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/", "https://0x7f.1/"],
  ...["https://0/", "https://0.0.0.0/", "https://10.0.0.1/", "https://172.16.0.1/", "https://192.168.0.1/", "https://169.254.169.254/"],
  ...["https://１２７.０.０.１/", "https://127。0。0。1/", "https://[::1]/", "https://[::]/", "https://[::ffff:127.0.0.1]/"],
  ...["https://[fe80::1]/", "https://[fd00::1]/", "https://[2001:db8::1]/", "https://[::ffff:7f00:1]/", "https://[64:ff9b::7f00:1]/"],
  ...["https://localhost/", "https://LOCALHOST/", "https://localhost./", "https://x.localhost/", "https://metadata.google.internal/"],
  ...["https://redis.svc.cluster.local/", "https://printer.local/", "https://host/", "https://intranet.corp/"],
  ...["https://user@example.com/", "https://user:secret@example.com/", "https://example.com@127.0.0.1/", "https://127.0.0.1#@example.com/"],
  ...["https://127.0.0.1\\@example.com/", "https://localhost\t/", "https://127.0.\n0.1/", " https://127.0.0.1/", "https://%6cocalhost/"],
];

test(`${REFUSED.length} spellings of places that are not public are refused`, (t) => {
  for (const url of REFUSED) assert.notEqual(urlProblem(url), null, url);
  t.diagnostic(`${REFUSED.length} of ${REFUSED.length} refused`);
});

test("public places are taken", () => {
  for (const url of [
    "https://example.com",
    "https://hooks.example.co.uk/a/b?c=d@e",
    "https://xn--bcher-kva.example.org/x",
    "https://a-b.c1.dev/",
  ])
    assert.equal(urlProblem(url), null, url);
});

test("addresses that a name leads to are judged, too: rebinding gets nobody inside", () => {
  const inside =
    "0.0.0.0 10.1.2.3 100.64.0.1 127.0.0.1 127.255.255.255 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.168.1.1 198.18.0.1 224.0.0.1 255.255.255.255";
  const inside6 = ":: ::1 fe80::1 fc00::1 fd12::1 ff02::1 ::ffff:127.0.0.1 64:ff9b::1 2002:7f00:1:: 2001:0:1::1 2001:db8::1 100::1";
  for (const address of `${inside} ${inside6} example.com 1.2.3 1.2.3.4.5 01.2.3.4 256.1.1.1`.split(" "))
    assert.equal(isPublicAddress(address), false, address);
  for (const address of ["8.8.8.8", "1.1.1.1", "172.32.0.1", "11.0.0.1", "2606:4700:4700::1111", "2a00:1450::1"])
    assert.equal(isPublicAddress(address), true, address);
});

test("keys of an issuer come from https, or from loopback for tests, and from no address with credentials", () => {
  const trust = (jwksUrl: string) =>
    Trust.safeParse({
      name: "x",
      issuer: "x",
      jwksUrl,
      audience: "y",
      claims: { sub: "z" },
      grants: { scopes: [{ repositories: "a/*", actions: ["pull"] }] },
    }).success;
  for (const url of [
    "http://example.com/jwks",
    "http://10.0.0.1/jwks",
    "file:///jwks",
    "https://a:b@example.com/",
    "http://127.0.0.1.example.com/",
    "http://localhost.example.com/",
  ])
    assert.equal(trust(url), false, url);
  for (const url of ["https://example.com/jwks", "http://127.0.0.1:8080/jwks", "http://localhost/jwks"])
    assert.equal(trust(url), true, url);
});
