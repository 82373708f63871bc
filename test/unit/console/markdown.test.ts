import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Inline, parseInline, safeHref } from "../../../functions/dashboard/app/markdown/inline.ts";
import { type Block, parseCard } from "../../../functions/dashboard/app/markdown/parse.ts";
import { XSS } from "../../support/xss.ts";

/** Every address that a reader could follow. */
function addressesIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(addressesIn);
  if (typeof value !== "object" || value === null) return [];
  const own = "href" in value && typeof value.href === "string" ? [value.href] : [];
  return [...own, ...Object.values(value).flatMap(addressesIn)];
}

function textOf(inlines: readonly Inline[]): string {
  return inlines.map((inline) => ("inside" in inline ? textOf(inline.inside) : "text" in inline ? inline.text : "")).join("");
}

function paragraph(text: string): Block | undefined {
  return parseCard(text).blocks[0];
}

test("headings, emphasis, code, links, lists, quotes and tables are told apart", () => {
  assert.deepEqual(parseCard("# A *b*").blocks, [
    {
      is: "heading",
      level: 1,
      inside: [
        { is: "text", text: "A " },
        { is: "em", inside: [{ is: "text", text: "b" }] },
      ],
    },
  ]);
  assert.deepEqual(paragraph("see `a*b*` and **c**"), {
    is: "paragraph",
    inside: [
      { is: "text", text: "see " },
      { is: "code", text: "a*b*" },
      { is: "text", text: " and " },
      { is: "strong", inside: [{ is: "text", text: "c" }] },
    ],
  });
  assert.deepEqual(paragraph("```py\nx = 1\n```\nafter"), { is: "code", language: "py", text: "x = 1" });
  assert.deepEqual(addressesIn(paragraph("[a](https://a.example/x) https://b.example/")), ["https://a.example/x", "https://b.example/"]);
  const list = paragraph("1. one\n2. two\n   - nested\n");
  assert.ok(list?.is === "list" && list.ordered && list.items.length === 2 && list.items[1]?.[1]?.is === "list");
  const table = paragraph("| a | b |\n|---|:-:|\n| 1 | 2 |\n| 3 | 4 |");
  assert.ok(table?.is === "table" && table.head.length === 2 && table.rows.length === 2);
  assert.ok(paragraph("> quoted\n> more")?.is === "quote");
  assert.deepEqual(
    parseCard("a\n\n---\n\nb").blocks.map(({ is }) => is),
    ["paragraph", "rule", "paragraph"],
  );
});

test("front matter becomes plain facts, and is not part of the text", () => {
  const card = parseCard("---\nlicense: mit\ntags:\n- a\n- b\nmodel-index:\n  - name: x\n---\ntext");
  assert.deepEqual(card.about, [
    ["license", "mit"],
    ["tags", "a, b"],
  ]);
  assert.equal(card.blocks.length, 1);
});

for (const text of XSS) {
  test(`is text, and leads nowhere but to a page or a letter: ${text.slice(0, 60)}`, () => {
    for (const href of addressesIn(parseCard(text))) assert.match(href, /^(?:https?|mailto):/);
  });
}

test("addresses of other kinds are none", () => {
  for (const href of [
    "javascript:x",
    " javascript:x",
    "JAVASCRIPT:x",
    "data:text/html,x",
    "file:///etc/passwd",
    "//evil.example",
    "/api/v1",
    "#x",
    "",
  ]) {
    assert.equal(safeHref(href), null, href);
  }
});

test("any text is parsed, loses no letter of plain words, and yields safe addresses only", () => {
  const pieces = fc.constantFrom(
    "*",
    "**",
    "_",
    "`",
    "```",
    "[",
    "](",
    ")",
    "<",
    ">",
    "|",
    "\n",
    "\n\n",
    "- ",
    "1. ",
    "> ",
    "# ",
    "https://a.example/",
    "javascript:",
    "\\",
    " ",
    "word",
    "~~",
    "![",
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 60 }), (parts) => {
      const text = parts.join("");
      const { blocks } = parseCard(text);
      for (const href of addressesIn(blocks)) assert.match(href, /^(?:https?|mailto):/);
    }),
  );
  fc.assert(fc.property(fc.stringMatching(/^[a-z ]{1,80}$/), (text) => assert.equal(textOf(parseInline(text)), text)));
});

test("texts made to be deep or many give trees that grow with their length only", () => {
  const size = 60_000;
  for (const text of [
    "*".repeat(size),
    "[".repeat(size),
    "`a".repeat(size / 2),
    "**a ".repeat(size / 4),
    "> ".repeat(size / 2),
    "<h".repeat(size / 2),
    "![](".repeat(size / 4),
    "- ".repeat(size / 2),
    "|".repeat(size),
    "[a](".repeat(size / 4),
    "_a*".repeat(size / 3),
    "\\".repeat(size),
  ]) {
    const measure = (some: string) => {
      let steps = 0;
      JSON.stringify(parseCard(some), (_, value) => {
        steps++;
        return value;
      });
      return steps;
    };
    assert.ok(measure(text) <= 20 * size, text.slice(0, 8));
  }
});
