/** S8: spellings of addresses that nobody may have us ask. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isPublicAddress, urlProblem } from "../../../shared/public-url.ts";

const PRIVATE_URLS = [
  ...["127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "127.255.255.254"],
  ...["localhost", "LOCALHOST", "localhost.", "a.localhost", "localhost.localdomain", "ip6-localhost", "127.0.0.1.", "①②⑦.⓪.⓪.①"],
  ...["%31%32%37.0.0.1", "１２７.0.0.1", "127。0。0。1", "0", "0.0.0.0", "0x0", "00", "[::]", "[::1]", "[0:0:0:0:0:0:0:1]"],
  ...["[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::127.0.0.1]", "[2002:7f00:1::]"],
  ...["[2001:0:1::7f00:1]", "[fe80::1]", "[fc00::1]", "[fd12:3456::1]", "[ff02::1]", "[2001:db8::1]", "[fec0::1]", "[100::1]"],
  ...["10.0.0.1", "10.1", "0x0a000001", "172.16.0.1", "172.31.255.255", "192.168.1.1", "3232235777", "100.64.0.1", "198.18.0.1"],
  ...["169.254.169.254", "169.254.43518", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "[::ffff:a9fe:a9fe]", "[fd00:ec2::254]"],
  ...["224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "203.0.113.9", "metadata.google.internal", "redis", "redis.local"],
  ...["kubernetes.default.svc", "router.home.arpa", "db.corp", "nas.lan", "x.test", "1.0.0.127.in-addr.arpa"],
].map((host) => `https://${host}/`);

const FORMS = [
  ...["http://ci.team.dev/", "ftp://ci.team.dev/", "file:///etc/passwd", "gopher://ci.team.dev/", "javascript:alert(1)", "//ci.team.dev/"],
  ...[
    "https://",
    "https://user@ci.team.dev/",
    "https://user:pw@ci.team.dev/",
    "https://ci.team.dev:pw@127.0.0.1/",
    "https://ci.team.dev@127.0.0.1",
  ],
  ...["https:127.0.0.1", "https:/\\127.0.0.1/", "https://127.0.0.1#@ci.team.dev/", "https://127.0.0.1?@ci.team.dev/", "data:text/plain,x"],
  ...[
    "https://127.0.0.1:6379/",
    "https://[::1]:443/",
    "HTTPS://127.0.0.1/",
    "https://127.0.0.1\t/",
    "h\nttps://127.0.0.1/",
    " https://10.0.0.1/",
  ],
];

test(`${PRIVATE_URLS.length} spellings of private addresses and ${FORMS.length} other forms are refused`, () => {
  for (const url of [...PRIVATE_URLS, ...FORMS]) assert.notEqual(urlProblem(url), null, url);
});

test("public names and addresses are not", () => {
  for (const host of ["ci.team.dev", "hooks.team.co.uk:8443", "8.8.8.8", "1.1.1.1", "[2606:4700::1111]", "xn--bcher-kva.de", "172.32.0.1"])
    assert.equal(urlProblem(`https://${host}/a?b=c`), null, host);
});

test("a host that the deployment names may be asked, also without TLS; no other is", () => {
  const hosts = ["ci.corp", "10.0.0.5"];
  for (const url of ["http://ci.corp/x", "https://CI.corp./x", "http://10.0.0.5:8080/", "http://0x0a.5/"])
    assert.equal(urlProblem(url, hosts), null, url);
  for (const url of ["http://evil.ci.corp/", "http://10.0.0.6/", "http://ci.corp.evil.dev/", "http://u:p@ci.corp/"])
    assert.notEqual(urlProblem(url, hosts), null, url);
});

test("addresses are judged as what they carry; what is no address is not public", () => {
  for (const address of ["127.0.0.1", "::1", "::ffff:10.0.0.1", "64:ff9b::1", "2002::1", "fe80::1%eth0", "", "ci.team.dev", "1.2.3"])
    assert.equal(isPublicAddress(address), false, address);
  for (const address of ["8.8.8.8", "::ffff:8.8.8.8", "2606:4700::1111"]) assert.equal(isPublicAddress(address), true, address);
});
