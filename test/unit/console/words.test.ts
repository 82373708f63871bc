import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { EN } from "../../../functions/dashboard/app/words/en.ts";
import { ZH } from "../../../functions/dashboard/app/words/zh.ts";

const APP = fileURLToPath(new URL("../../../functions/dashboard/app", import.meta.url));
const SOURCES = readdirSync(APP, { recursive: true, encoding: "utf8" })
  .filter((name) => /\.tsx?$/.test(name) && !name.startsWith("words"))
  .map((name) => readFileSync(join(APP, name), "utf8"))
  .join("\n");

const holes = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort();

test("both languages have the same words, with the same holes to fill, and none is empty", () => {
  assert.deepEqual(Object.keys(ZH), Object.keys(EN));
  for (const [key, english] of Object.entries(EN)) {
    const chinese = ZH[key as keyof typeof EN];
    assert.notEqual(chinese.trim(), "", key);
    assert.deepEqual([...new Set(holes(chinese))], [...new Set(holes(english))], key);
  }
});

test("no word is left over that no page says", () => {
  const said = (key: string) => SOURCES.includes(`"${key}"`) || SOURCES.includes(`\`${key.slice(0, key.lastIndexOf(".") + 1)}\${`);
  assert.deepEqual(
    Object.keys(EN).filter((key) => !said(key)),
    [],
  );
});
