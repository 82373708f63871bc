import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { LearnedWidths } from "../../../scripts/node/learned.ts";
import { tempFolder } from "../../support/trees.ts";

const folder = tempFolder();
after(folder.remove);
const place = (name: string) => join(folder.path, name);

test("what was worth it is remembered by endpoint and direction, in one file", () => {
  const learned = new LearnedWidths(place("new/cache"));
  assert.equal(learned.find("https://a", "down"), null);
  learned.keep("https://a", "down", 24);
  learned.keep("https://a", "up", 6);
  learned.keep("https://b", "down", 5);
  learned.keep("https://a", "down", 30);
  const again = new LearnedWidths(place("new/cache"));
  const found = [
    again.find("https://a", "down"),
    again.find("https://a", "up"),
    again.find("https://b", "down"),
    again.find("https://b", "up"),
  ];
  assert.deepEqual(found, [30, 6, 5, null]);
  assert.deepEqual(readdirSync(place("new/cache")), ["widths.json"]);
});

test("only the newest endpoints are kept", () => {
  const learned = new LearnedWidths(place("many"));
  for (let n = 0; n < 60; n++) learned.keep(`https://${n}`, "down", 8);
  learned.keep("https://11", "down", 9);
  const { widths } = JSON.parse(readFileSync(place("many/widths.json"), "utf8"));
  assert.deepEqual([Object.keys(widths).length, learned.find("https://9", "down"), learned.find("https://11", "down")], [50, null, 9]);
});

test("a damaged file, or a folder that can't be written, costs nothing but the knowledge", () => {
  const damaged = new LearnedWidths(place("damaged"));
  damaged.keep("https://a", "down", 24);
  for (const text of [
    "",
    "{",
    '{"v":2,"widths":{}}',
    '{"v":1,"widths":{"https://a":{"down":"many"}}}',
    '{"v":1,"widths":{"https://a":{"down":0}}}',
  ]) {
    writeFileSync(place("damaged/widths.json"), text);
    assert.equal(damaged.find("https://a", "down"), null);
  }
  writeFileSync(place("file"), "");
  new LearnedWidths(place("file/cache")).keep("https://a", "down", 24);
});
