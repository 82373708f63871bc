import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesText, displayWidth, durationText, painted, plain, redacted, table, timeText } from "../../../scripts/cli/text.ts";
import { memoryHost } from "../../support/memory-host.ts";

const SIZES = [
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1.0 KiB"],
  [1_048_000, "1023 KiB"],
  [1_048_575, "1.0 MiB"],
  [3 * 2 ** 30, "3.0 GiB"],
  [100 * 2 ** 20, "100 MiB"],
  [2 ** 50, "1024 TiB"],
] as const;
for (const [bytes, text] of SIZES) test(`${bytes} bytes read ${text}`, () => assert.equal(bytesText(bytes), text));

const TIMES = [
  [0, "0 ms"],
  [0.85, "850 ms"],
  [4.21, "4.2 s"],
  [59.4, "59 s"],
  [60, "1 min"],
  [200, "3 min 20 s"],
  [7500, "2 h 5 min"],
  [86_400 * 12, "12 d"],
] as const;
for (const [seconds, text] of TIMES) test(`${seconds} seconds read ${text}`, () => assert.equal(durationText(seconds), text));

test("a time reads to the second, in UTC", () => assert.equal(timeText("2026-11-24T10:05:12.345Z"), "2026-11-24 10:05:12Z"));

test("foreign text can't move the cursor, change the title, turn the direction or begin a line", () => {
  const shown = plain("a\u001b[2Jb\u0007c\u202ed\u200be\nf\r\ng\th\u009bi\ufeff");
  assert.equal(shown, "a\ufffd[2Jb\ufffdc\ufffdd\ufffde f g h\ufffdi\ufffd");
});

test("tokens and signatures are taken out of any text", () => {
  const shown = redacted(
    "GET https://s/b/k?X-Amz-Credential=AK%2F1&X-Amz-Signature=0123abc failed; Bearer abc.def; token hf_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789 end",
  );
  assert.equal(shown, "GET https://s/b/k?[secret]&[secret] failed; [secret] token [secret] end");
});

test("columns line up, also when characters are two cells wide or none", () => {
  assert.equal(displayWidth("读我.txt"), 8);
  assert.equal(displayWidth("e\u0301"), 1);
  assert.equal(displayWidth("\u001b[31mred\u001b[0m"), 3);
  assert.equal(
    table(
      [
        ["读我", "1"],
        ["abcde", "22"],
      ],
      [{}, { align: "right" }],
    ),
    "读我    1\nabcde  22\n",
  );
});

test("colours need a terminal, no NO_COLOR, and a TERM that can", () => {
  const paint = (tty: boolean, env: Record<string, string>) => {
    const { host } = memoryHost({ tty, env });
    return painted(host, host.stdout, "red", "x");
  };
  assert.equal(paint(true, {}), "\u001b[31mx\u001b[0m");
  assert.equal(paint(true, { NO_COLOR: "" }), "\u001b[31mx\u001b[0m");
  assert.equal(paint(false, {}), "x");
  assert.equal(paint(true, { NO_COLOR: "1" }), "x");
  assert.equal(paint(true, { TERM: "dumb" }), "x");
});
