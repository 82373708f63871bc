/** What the pages of this repository say, in parts that tests look at: links, headings, code. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** `info`: what stands behind the fence, such as `sh run`. `line`: where its first line is, counted from 1. */
export type CodeBlock = { info: string; text: string; line: number };

export class Page {
  /** From the root of the repository. */
  readonly path: string;
  readonly text: string;
  readonly blocks: readonly CodeBlock[];
  /** Without blocks of code, whose lines are empty. */
  readonly prose: string;

  constructor(path: string) {
    this.path = path;
    this.text = readFileSync(join(ROOT, path), "utf8");
    const blocks: CodeBlock[] = [];
    this.prose = this.text.replace(
      /^( *)```([^\n`]*)\n([\s\S]*?)^\1```$/gm,
      (whole: string, indent: string, info: string, text: string, at: number) => {
        const line = this.text.slice(0, at).split("\n").length + 1;
        blocks.push({ info: info.trim(), text: text.replaceAll(new RegExp(`^${indent}`, "gm"), ""), line });
        return whole.replace(/[^\n]/g, "");
      },
    );
    this.blocks = blocks;
  }

  /** Code within lines. */
  get spans(): string[] {
    return [...this.prose.matchAll(/`([^`\n]+(?:\n[^`\n]+)?)`/g)].map(([, code = ""]) => code.replace(/\s*\n\s*/g, " "));
  }

  /** Targets of links and pictures. */
  get links(): string[] {
    const bare = this.prose.replace(/`[^`\n]*`/g, "");
    return [...bare.matchAll(/\]\(([^()\s]+)\)/g), ...bare.matchAll(/<(?:img|a)[^>]+(?:src|href)="([^"]+)"/g)].map(
      ([, target = ""]) => target,
    );
  }

  /** As GitHub makes them of headings. */
  get anchors(): string[] {
    const seen = new Map<string, number>();
    return [...this.prose.matchAll(/^#{1,6} +(.+?) *#*$/gm)].map(([, heading = ""]) => {
      const slug = heading
        .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, "")
        .replace(/\s/g, "-");
      const count = seen.get(slug) ?? 0;
      seen.set(slug, count + 1);
      return count === 0 ? slug : `${slug}-${count}`;
    });
  }

  /** Where a relative link leads, from the root; the page itself for `#anchor`. */
  target(link: string): { path: string; anchor: string | null; exists: boolean } {
    const [file = "", anchor = null] = decodeURIComponent(link).split("#");
    const path = file === "" ? this.path : relative(ROOT, join(ROOT, dirname(this.path), file));
    return { path, anchor, exists: existsSync(join(ROOT, path)) };
  }
}

/** README, CHANGELOG and everything below docs/ and examples/. */
export function pages(): Page[] {
  const paths = globSync(["*.md", "docs/**/*.md", "examples/**/*.md"], { cwd: ROOT });
  return paths.sort().map((path) => new Page(path));
}
