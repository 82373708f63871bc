/**
 * The page of the web console, at `/`. The rest of it are static files below /console/, which Workers and Node serve beside the app
 * (scripts/build-console.ts makes them). Its own pages live behind `#/…`, so that they meet no path of the API or of the Hub's door.
 */
import type { Hono } from "hono";
import type { Edge } from "../http/edge.ts";
import { pagePolicy } from "./policy.ts";

/** @param head what the page is told about the deployment */
const page = (head: string) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>modelferry</title>
${head}<link rel="icon" href="/console/icon.svg">
<link rel="stylesheet" href="/console/app.css">
<script type="module" src="/console/app.js"></script>
</head>
<body><div id="app"></div><noscript>The console needs JavaScript; the command line is ferry.</noscript></body>
</html>
`;

/** There is a provider that people log in with. */
const LOGIN = `<meta name="login" content="provider">\n`;

export function mountConsole(app: Hono<Edge>): void {
  app.get("/", (c) => {
    const origins = c
      .get("services")
      .ports.stores.all()
      .flatMap(({ profile }) => profile.origin ?? []);
    const headers = {
      "content-security-policy": pagePolicy(origins),
      "cross-origin-opener-policy": "same-origin",
      "cache-control": "no-cache",
    };
    return c.html(page(c.get("services").login === null ? "" : LOGIN), 200, headers);
  });
}
