/** Raw sockets against a server that says anything: what is taken for an answer, what is kept, what is asked again. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { RawTransport } from "../../../scripts/node/raw-transport.ts";
import type { GetRequest, PutRequest } from "../../../scripts/node/transport.ts";
import { FerryError } from "../../../shared/errors.ts";
import { KiB, MiB } from "../../../shared/units.ts";
import { headOf, type Script, ScriptedStore } from "../../support/scripted-store.ts";
import { tempFolder } from "../../support/trees.ts";

const never = new AbortController().signal;

type Stand = {
  store: ScriptedStore;
  transport: RawTransport;
  get: (request?: Partial<GetRequest>, signal?: AbortSignal) => Promise<{ answer: unknown; bytes: Buffer; restarts: number; told: number }>;
  put: (body: Buffer, request?: Partial<PutRequest>, signal?: AbortSignal) => Promise<unknown>;
};

async function withStore(script: Script, work: (stand: Stand) => Promise<void>, tls: { key: string; cert: string } | null = null) {
  const store = await ScriptedStore.start(tls);
  const transport = new RawTransport();
  store.script = script;
  const get: Stand["get"] = async (request = {}, signal = never) => {
    const pieces: Buffer[] = [];
    let [restarts, told] = [0, 0];
    const sink = {
      restart: () => {
        restarts++;
        pieces.length = 0;
      },
      write: (bytes: Uint8Array) => {
        pieces.push(Buffer.from(bytes));
        return null;
      },
    };
    const onBytes = (bytes: number) => {
      told += bytes;
    };
    const answer = await transport.get({ url: store.url, offset: 0, end: 5, sizeBytes: 5, ...request }, sink, { signal, onBytes });
    return { answer, bytes: Buffer.concat(pieces), restarts, told };
  };
  const put: Stand["put"] = (body, request = {}, signal = never) => {
    const reader = () => {
      let done = 0;
      return async (buffer: Uint8Array) => {
        body.copy(buffer, 0, done, done + buffer.length);
        done += buffer.length;
      };
    };
    const whole: PutRequest = { method: "PUT", url: store.url, headers: { "x-a": "b" }, sizeBytes: body.length, body: reader, ...request };
    return transport.put(whole, { signal, onBytes: () => {} });
  };
  try {
    await work({ store, transport, get, put });
  } finally {
    transport.close();
    await store.close();
  }
}

const COMPLETE = { kind: "complete" };
const broken = (problem: string) => ({ kind: "broken", problem });

test("a body comes whole, in whatever pieces head and body are sent", async () => {
  const answer = `${headOf(200, 5)}hello`;
  for (let cut = 1; cut < answer.length; cut += 3) {
    await withStore(
      () => [answer.slice(0, cut), answer.slice(cut)],
      async ({ get }) => {
        const { answer, bytes, told } = await get();
        assert.deepEqual([answer, bytes.toString(), told], [COMPLETE, "hello", 5]);
      },
    );
  }
});

test("connections are used again, the last one first", async () => {
  await withStore(
    () => [`${headOf(200, 5)}hello`],
    async ({ store, get }) => {
      for (let n = 0; n < 5; n++) await get();
      assert.equal(store.connections, 1);
      await Promise.all([get(), get(), get()]);
      assert.equal(store.connections, 3);
      await get({ fresh: true });
      assert.equal(store.connections, 4);
    },
  );
});

test("a request asks for just the rest, or a part, and says what it takes", async () => {
  await withStore(
    ({ head }) => {
      const [, from = "0", to = "9"] = /^range: bytes=(\d+)-(\d*)$/m.exec(head) ?? [];
      const last = to === "" ? 9 : Number(to);
      return [
        `${headOf(206, last + 1 - Number(from), `Content-Range: bytes ${from}-${last}/10`)}${"0123456789".slice(Number(from), last + 1)}`,
      ];
    },
    async ({ get, store }) => {
      assert.equal((await get({ offset: 4, end: 10, sizeBytes: 10 })).bytes.toString(), "456789");
      assert.equal((await get({ offset: 2, end: 5, sizeBytes: 10 })).bytes.toString(), "234");
      assert.match(store.requests[0]?.head ?? "", /^accept-encoding: identity$/m);
      assert.match(store.requests[0]?.head ?? "", /^range: bytes=4-$/m);
    },
  );
});

const WRONG: [string, Partial<GetRequest>, (string | null)[], unknown][] = [
  ["a length that is not what was asked", {}, [`${headOf(200, 6)}hello!`], broken("the answer has 6 bytes instead of 5")],
  ["compression", {}, [`${headOf(200, 5, "Content-Encoding: gzip")}hello`], broken("the answer is compressed")],
  ["another range", { offset: 2 }, [`${headOf(206, 3, "Content-Range: bytes 1-3/5")}ell`], broken("the answer is another range")],
  [
    "a range of another object",
    { offset: 2 },
    [`${headOf(206, 3, "Content-Range: bytes 2-4/6")}llo`],
    broken("the answer is another range"),
  ],
  ["the whole instead of a part", { offset: 1, end: 3 }, [`${headOf(200, 5)}hello`], broken("the store ignores the range")],
  ["a cut", {}, [headOf(200, 5), "hel", null], broken("the answer ended too early")],
  ["another protocol", {}, ["SSH-2.0-OpenSSH\r\n\r\n"], broken("the answer is not HTTP/1.1")],
  ["nothing", {}, [null], broken("the connection was closed")],
  ["half a head", {}, ["HTTP/1.1 200 O", null], broken("the connection was closed")],
  ["a switch of protocols", {}, ["HTTP/1.1 101 Switching\r\n\r\n"], broken("the answer does not begin")],
  ["no end of interim answers", {}, ["HTTP/1.1 103 Early\r\n\r\n".repeat(20)], broken("the answer does not begin")],
  ["chunked content", {}, ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"], { kind: "foreign" }],
  ["content without a length", {}, ["HTTP/1.1 200 OK\r\n\r\nhello", null], { kind: "foreign" }],
  ["a redirect", {}, [headOf(307, 0, "Location: /elsewhere")], { kind: "foreign" }],
];
for (const [what, request, pieces, expected] of WRONG) {
  test(`${what}: ${JSON.stringify(expected)}, and the connection is not used again`, async () => {
    await withStore(
      ({ nth }) => (nth === 1 ? pieces : [`${headOf(200, 5)}hello`]),
      async ({ get, store }) => {
        assert.deepEqual((await get(request)).answer, expected);
        assert.deepEqual((await get()).answer, COMPLETE);
        assert.equal(store.connections, 2);
      },
    );
  });
}

test("what was got of a cut answer stays got; the whole in answer to a rest begins anew", async () => {
  await withStore(
    ({ nth }) => (nth === 1 ? [headOf(200, 5), "hel", null] : [`${headOf(200, 5)}hello`]),
    async ({ get }) => {
      assert.equal((await get()).bytes.toString(), "hel");
      const { bytes, restarts } = await get({ offset: 3 });
      assert.deepEqual([bytes.toString(), restarts], ["hello", 1]);
    },
  );
});

test("bytes after an answer spoil the connection, not the answer", async () => {
  await withStore(
    ({ nth }) => [`${headOf(200, 5)}hello${nth === 1 ? "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong" : ""}`],
    async ({ get, store }) => {
      for (let n = 0; n < 2; n++) assert.equal((await get()).bytes.toString(), "hello");
      assert.equal(store.connections, 2);
    },
  );
});

test("bytes that nobody asked for spoil an idle connection", async () => {
  await withStore(
    ({ nth }) => (nth === 1 ? [`${headOf(200, 5)}hello`, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"] : [`${headOf(200, 5)}hello`]),
    async ({ get }) => {
      assert.equal((await get()).bytes.toString(), "hello");
      assert.equal((await get()).bytes.toString(), "hello");
    },
  );
});

test("a refusal is told with its code, be it chunked, without a length, cut or endless", async () => {
  const xml = "<Error><Code>SlowDown</Code></Error>";
  const chunked = `HTTP/1.1 503 Slow\r\nRetry-After: 3\r\nTransfer-Encoding: chunked\r\n\r\n${xml.length.toString(16)}\r\n${xml}\r\n0\r\n\r\n`;
  const endless = "x".repeat(64 * KiB);
  const scripts: (string | null)[][] = [
    [`${headOf(503, xml.length, "Retry-After: 3")}${xml}`],
    [chunked],
    [`HTTP/1.1 503 Slow\r\nRetry-After: 3\r\n\r\n${xml}`, null],
    [`${headOf(503, 1000, "Retry-After: 3")}${xml}`, null],
    [`${headOf(503, 10 * MiB, "Retry-After: 3")}${xml}${endless}${endless}`],
    ["HTTP/1.1 100 Continue\r\n\r\n", `${headOf(503, xml.length, "Retry-After: 3")}${xml}`],
  ];
  for (const pieces of scripts) {
    await withStore(
      () => pieces,
      async ({ get, put }) => {
        const refused = { kind: "answered", status: 503, code: "SlowDown", retryAfterSeconds: 3 };
        assert.deepEqual((await get()).answer, refused);
        assert.deepEqual(await put(Buffer.from("body")), refused);
      },
    );
  }
});

test("bodies of every size arrive as they are, with their length and headers", async () => {
  for (const size of [1, 64 * KiB, 64 * KiB + 1, 256 * KiB, 3 * MiB + 17]) {
    const body = randomBytes(size);
    await withStore(
      () => [headOf(200, 0)],
      async ({ put, store }) => {
        for (let n = 0; n < 2; n++) {
          assert.deepEqual(await put(body), { kind: "answered", status: 200, code: "", retryAfterSeconds: 0 });
        }
        const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
        assert.deepEqual(
          store.requests.map((request) => sha256(request.body)),
          [sha256(body), sha256(body)],
        );
        assert.match(store.requests[0]?.head ?? "", /^x-a: b$/m);
        assert.equal(store.connections, 1);
      },
    );
  }
});

test("an answer before the end of a body ends it, and the connection with it", async () => {
  await withStore(
    () => [headOf(412, 0)],
    async ({ put, store }) => {
      store.isHasty = true;
      let read = 0;
      const body = () => async (buffer: Uint8Array) => {
        read += buffer.length;
      };
      for (let n = 1; n <= 2; n++) {
        const answer = await put(Buffer.alloc(0), { sizeBytes: 1024 * MiB, body });
        assert.deepEqual(answer, { kind: "answered", status: 412, code: "", retryAfterSeconds: 0 });
        assert.equal(store.connections, n);
      }
      assert.ok(read < 64 * MiB, `${read} bytes were read for nothing`);
    },
  );
});

test("a connection that ended while it was idle costs nothing but another one", async () => {
  await withStore(
    ({ nth }) => (nth % 2 === 1 ? [`${headOf(200, 5)}hello`] : nth === 2 ? ["reset"] : [`${headOf(200, 5)}hello`]),
    async ({ get, put, store }) => {
      assert.deepEqual((await get()).answer, COMPLETE);
      assert.deepEqual((await get()).answer, COMPLETE);
      assert.equal(store.connections, 2);
      store.script = ({ connection }) => (connection === 2 ? ["reset"] : [headOf(200, 0)]);
      assert.deepEqual(await put(Buffer.from("x")), { kind: "answered", status: 200, code: "", retryAfterSeconds: 0 });
    },
  );
});

test("a store that ends every connection is broken after two, not asked for ever", async () => {
  await withStore(
    ({ nth }) => (nth === 1 ? [`${headOf(200, 5)}hello`] : [null]),
    async ({ get, store }) => {
      await get();
      assert.deepEqual((await get()).answer, broken("the connection was closed"));
      assert.equal(store.connections, 2);
    },
  );
});

test("a stop ends a request at once, with its reason, whether it waits, receives or sends", async () => {
  const reason = new Error("enough");
  const scripts: Script[] = [() => [], () => [headOf(200, 5), "hel"]];
  for (const script of scripts) {
    const stop = new AbortController();
    await withStore(
      (request) => {
        setImmediate(() => stop.abort(reason));
        return script(request);
      },
      async ({ get }) => {
        await assert.rejects(get({}, stop.signal), reason);
        await assert.rejects(get({}, stop.signal), reason);
      },
    );
  }
  const stop = new AbortController();
  await withStore(
    () => [headOf(200, 0)],
    async ({ put }) => {
      const body = () => async () => stop.abort(reason);
      await assert.rejects(put(Buffer.alloc(MiB), { body }, stop.signal), reason);
    },
  );
});

test("what a sink or a reader of a body throws is what comes out", async () => {
  await withStore(
    () => [`${headOf(200, 5)}hello`],
    async ({ store, transport, put }) => {
      const failure = new FerryError("FILE_UNWRITABLE", { path: "a", problem: "full" });
      const fail = () => {
        throw failure;
      };
      const request = { url: store.url, offset: 0, end: 5, sizeBytes: 5 };
      await assert.rejects(transport.get(request, { restart: fail, write: fail }, { signal: never, onBytes: () => {} }), failure);
      for (const size of [5, MiB]) await assert.rejects(put(Buffer.alloc(size), { body: () => async () => fail() }), failure);
    },
  );
});

test("a ticket can't smuggle a line into a request", async () => {
  await withStore(
    () => [headOf(200, 0)],
    async ({ put, store }) => {
      for (const headers of [{ "x-a": "b\r\nx-c: d" }, { "x-a: b\r\nx-c": "d" }, { "x a": "b" }, { "x-a": "é" }]) {
        await assert.rejects(async () => put(Buffer.from("x"), { headers: headers as Record<string, string> }), {
          code: "TRANSFER_REFUSED",
        });
      }
      assert.equal(store.requests.length, 0);
    },
  );
});

test("a sink that is not ready gets little more before it is", async () => {
  const body = randomBytes(8 * MiB);
  await withStore(
    () => [headOf(200, body.length), body],
    async ({ store, transport }) => {
      let [got, open, most] = [0, () => {}, 0];
      const hash = createHash("sha256");
      const write = (bytes: Uint8Array) => {
        hash.update(bytes);
        got += bytes.length;
        return new Promise<void>((resolve) => {
          open = resolve;
          const before = got;
          setImmediate(() =>
            setImmediate(() => {
              most = Math.max(most, got - before);
              resolve();
            }),
          );
        });
      };
      const request = { url: store.url, offset: 0, end: body.length, sizeBytes: body.length };
      const answer = await transport.get(request, { restart: () => {}, write }, { signal: never, onBytes: () => {} });
      open();
      assert.deepEqual(answer, COMPLETE);
      assert.equal(hash.digest("hex"), createHash("sha256").update(body).digest("hex"));
      assert.equal(most, 0, "nothing came while the sink was not ready");
    },
  );
});

/** A certificate for localhost, or the reason why there is none. */
function certificate(): { key: string; cert: string } | string {
  const folder = tempFolder();
  try {
    const [key, cert] = [join(folder.path, "key.pem"), join(folder.path, "cert.pem")];
    const made = spawnSync(
      "openssl",
      [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
      ].concat(["-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert]),
      { encoding: "utf8" },
    );
    if (made.status !== 0) return "this machine has no openssl to make a certificate with";
    return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
  } finally {
    folder.remove();
  }
}

test("over TLS: right bytes both ways, sessions resumed, unknown certificates refused", async (context: TestContext) => {
  const tls = certificate();
  if (typeof tls === "string") return context.skip(tls);
  const body = randomBytes(3 * MiB + 5);
  await withStore(
    ({ body: sent, head }) => (head.startsWith("PUT") ? [headOf(sent.equals(body) ? 200 : 400, 0)] : [headOf(200, body.length), body]),
    async ({ get, put, store }) => {
      const whole = { end: body.length, sizeBytes: body.length };
      const { answer } = await get(whole);
      assert.match(JSON.stringify(answer), /broken.*(SELF_SIGNED|UNABLE_TO_VERIFY)/);
      const usual = getCACertificates("default");
      setDefaultCACertificates([...usual, tls.cert]);
      try {
        const first = await get(whole);
        assert.deepEqual([first.answer, first.told], [COMPLETE, body.length]);
        assert.ok(first.bytes.equals(body));
        assert.deepEqual(await put(body), { kind: "answered", status: 200, code: "", retryAfterSeconds: 0 });
        const others = await Promise.all([get(whole), get(whole), get(whole)]);
        for (const { bytes } of others) assert.ok(bytes.equals(body));
        assert.ok(store.resumed >= 1, `${store.resumed} sessions resumed`);
      } finally {
        setDefaultCACertificates(usual);
      }
    },
    tls,
  );
});
