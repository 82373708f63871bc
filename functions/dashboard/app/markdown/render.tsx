/** A parsed card as elements. Texts are texts: nothing is ever given to the page as HTML. */
import type { ComponentChildren } from "preact";
import { t } from "../core/words.ts";
import type { Inline } from "./inline.ts";
import type { Block } from "./parse.ts";

export function Blocks({ of }: { of: readonly Block[] }) {
  return (
    <>
      {of.map((block, at) => (
        <One key={at} block={block} />
      ))}
    </>
  );
}

function One({ block }: { block: Block }): ComponentChildren {
  switch (block.is) {
    case "heading": {
      // The page's own heading stands above them.
      const Heading = `h${Math.min(6, block.level + 1)}` as "h2";
      return <Heading>{inlines(block.inside)}</Heading>;
    }
    case "paragraph":
      return <p>{inlines(block.inside)}</p>;
    case "code":
      return (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard.
        <pre tabIndex={0}>
          <code>{block.text}</code>
        </pre>
      );
    case "quote":
      return (
        <blockquote>
          <Blocks of={block.blocks} />
        </blockquote>
      );
    case "list":
      return <List block={block} />;
    case "table":
      return <CardTable block={block} />;
    case "rule":
      return <hr />;
    default:
      return block satisfies never;
  }
}

function List({ block }: { block: Block & { is: "list" } }) {
  const items = block.items.map((item, at) => (
    <li key={at}>{item.length === 1 && item[0]?.is === "paragraph" ? inlines(item[0].inside) : <Blocks of={item} />}</li>
  ));
  return block.ordered ? <ol start={block.start}>{items}</ol> : <ul>{items}</ul>;
}

function CardTable({ block }: { block: Block & { is: "table" } }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard.
    <section class="scroll" tabIndex={0} aria-label={t("table")}>
      <table>
        <thead>
          <tr>
            {block.head.map((cell, at) => (
              <th key={at} scope="col">
                {inlines(cell)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {block.rows.map((row, at) => (
            <tr key={at}>
              {row.map((cell, column) => (
                <td key={column}>{inlines(cell)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function inlines(some: readonly Inline[]): ComponentChildren[] {
  return some.map((inline, at) => <Text key={at} inline={inline} />);
}

function Text({ inline }: { inline: Inline }): ComponentChildren {
  switch (inline.is) {
    case "text":
      return inline.text;
    case "code":
      return <code>{inline.text}</code>;
    case "strong":
      return <strong>{inlines(inline.inside)}</strong>;
    case "em":
      return <em>{inlines(inline.inside)}</em>;
    case "del":
      return <del>{inlines(inline.inside)}</del>;
    case "link":
      return <Outside href={inline.href}>{inlines(inline.inside)}</Outside>;
    case "image":
      // Fetching it would tell a foreign host who reads this.
      return inline.href === null ? (
        <em>{inline.alt}</em>
      ) : (
        <Outside href={inline.href}>{inline.alt === "" ? inline.href : inline.alt}</Outside>
      );
    case "break":
      return <br />;
    default:
      return inline satisfies never;
  }
}

function Outside({ href, children }: { href: string; children: ComponentChildren }) {
  return (
    <a href={href} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  );
}
