/** A real Chromium for tests of the console, and pages that notice what must never happen: errors, foreign requests, barriers. */
import assert from "node:assert/strict";
import { accessSync, constants, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
const ACTION_TIMEOUT_MS = 20_000;
/** Git ignores it. */
const SCREENSHOTS = fileURLToPath(new URL("../../bench-results/screenshots", import.meta.url));

/** For `{ skip: whyNoBrowser() }`. */
export function whyNoBrowser(): string | false {
  return findChromium() === null ? `none of ${NAMES.join(", ")} is installed (Debian: apt-get install chromium)` : false;
}

function findChromium(): string | null {
  const given = process.env["FERRY_TEST_CHROMIUM"];
  const paths = (process.env["PATH"] ?? "").split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name)));
  return [...(given === undefined ? [] : [given]), ...paths].find(isProgram) ?? null;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export async function startBrowser(): Promise<Browser> {
  const executablePath = findChromium();
  assert.ok(executablePath !== null);
  // Without a locale of UTF-8 it can't read the names of dropped files.
  const env = { ...process.env, LC_ALL: "C.UTF-8" } as Record<string, string>;
  return chromium.launch({ executablePath, env, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

export type Watched = {
  page: Page;
  context: BrowserContext;
  /** What the page complained about, and whom else it asked, since it was opened or last forgiven. */
  complaints: string[];
  foreign: string[];
  close(): Promise<void>;
};

/**
 * A page of the console in a browser of its own. `allowed`: origins that it may ask.
 * @param token kept as the log-in keeps it
 */
export async function openConsole(
  browser: Browser,
  endpoint: string,
  { token, allowed = [], locale = "en-GB", colorScheme = "light" }: OpenOptions,
): Promise<Watched> {
  const context = await browser.newContext({ locale, colorScheme, viewport: { width: 1280, height: 900 }, acceptDownloads: true });
  const page = await context.newPage();
  page.setDefaultTimeout(ACTION_TIMEOUT_MS);
  const complaints: string[] = [];
  const foreign: string[] = [];
  const origins = new Set([endpoint, ...allowed].map((url) => new URL(url).origin));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning")
      complaints.push(`${message.type()}: ${message.text()} ${placeOf(message.location().url)}`);
  });
  page.on("pageerror", (error) => complaints.push(`thrown: ${error.message}`));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (/^https?:$/.test(url.protocol) && !origins.has(url.origin)) foreign.push(url.origin);
  });
  if (token !== undefined) await page.addInitScript(`sessionStorage.setItem("modelferry-token", ${JSON.stringify(token)})`);
  await page.addInitScript(MARK_USABLE);
  await page.goto(`${endpoint}/`);
  return { page, context, complaints, foreign, close: () => context.close() };
}

/** Without what is signed. */
function placeOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin + new URL(url).pathname : url;
}

export type OpenOptions = { token?: string; allowed?: readonly string[]; locale?: string; colorScheme?: "light" | "dark" };

/** Goes to a place of the console and waits until all that it asked for is there. */
export async function visit({ page }: Watched, hash: string, heading: string | RegExp): Promise<void> {
  await page.goto(new URL(`/${hash}`, page.url()).href);
  await page.getByRole("heading", { level: 1, name: heading }).waitFor();
  await settled(page);
}

/** Nothing on the page is waited for any more. */
export async function settled(page: Page): Promise<void> {
  await page.locator('[aria-busy="true"], .waiting').first().waitFor({ state: "detached" });
}

/** By the debugger: what playwright evaluates by itself, the page's policy forbids, and that would be a complaint. */
export async function evaluate(page: Page, expression: string): Promise<unknown> {
  const debug = await page.context().newCDPSession(page);
  const { result, exceptionDetails } = await debug.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
  await debug.detach();
  assert.equal(exceptionDetails, undefined, exceptionDetails?.exception?.description);
  return result.value;
}

/** No errors, no foreign requests; nothing that axe calls serious or critical. */
export async function assertSound({ page, complaints, foreign }: Watched, what: string): Promise<void> {
  assert.deepEqual(await barriers(page), [], what);
  assert.deepEqual(complaints, [], what);
  assert.deepEqual(foreign, [], what);
}

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const FINDINGS = `axe.run().then(({ violations }) =>
  violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, help, nodes }) => nodes.slice(0, 3).map(({ target, html }) => id + ": " + help + ": " + target + " " + html.slice(0, 200))))`;

async function barriers(page: Page): Promise<unknown> {
  await evaluate(page, AXE);
  return evaluate(page, FINDINGS);
}

export async function screenshot({ page }: Watched, name: string): Promise<void> {
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
}

/** An expression: how many colours the first picture of the map of warmth has. */
export const coloursOf = (width: number) =>
  `new Set((({ data }) => Array.from({ length: data.length / 4 }, (_, at) => data.slice(4 * at, 4 * at + 3).join()))(document.querySelector('.heat canvas').getContext('2d').getImageData(0, 0, ${width}, 14))).size`;

/** An expression: milliseconds of the longest work that kept the page from answering; 0 when none took 50. */
export const LONGEST_TASK = `new Promise((tell) => {
  new PerformanceObserver((list) => tell(Math.max(...list.getEntries().map(({ duration }) => duration)))).observe({ type: "longtask", buffered: true });
  setTimeout(() => tell(0), 200);
})`;

/** An expression: milliseconds from the start of loading until there was something to use. */
export const USABLE = "Math.round(performance.getEntriesByName('usable')[0].startTime)";
const MARK_USABLE = `new MutationObserver((_, observer) => {
  if (document.querySelector("nav a") === null || document.querySelector("main h1") === null) return;
  observer.disconnect();
  performance.mark("usable");
}).observe(document, { childList: true, subtree: true });`;
