import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { linkProblem, pathProblem, treeProblem } from "../../../shared/paths.ts";
import { LONGEST_PATHS, SAFE_LINKS, SAFE_PATHS, SAFE_TREES, UNSAFE_LINKS, UNSAFE_PATHS, UNSAFE_TREES } from "../../support/unsafe-paths.ts";

/** Absolute, or on another drive, once decoded: below a folder it is neither. */
const ONLY_AT_THE_ROOT = /^(%(25)*2f|c%(25)*3ax)/i;

test(`refuses every one of ${UNSAFE_PATHS.length} unsafe paths, also deep in a tree, with a sentence`, () => {
  assert.ok(UNSAFE_PATHS.length >= 200);
  assert.equal(new Set(UNSAFE_PATHS.map(({ path }) => path)).size, UNSAFE_PATHS.length);
  for (const { name, path } of UNSAFE_PATHS) {
    assert.match(pathProblem(path) ?? "accepted", /^(it|its percent codes|a part) [a-z]/, name);
    if (path !== "" && !ONLY_AT_THE_ROOT.test(path)) assert.notEqual(pathProblem(`folder/${path}`), null, `folder/${name}`);
  }
});

test("accepts names as people write them, in any script, up to the limits", () => {
  for (const { name, path } of [...SAFE_PATHS, ...LONGEST_PATHS]) assert.equal(pathProblem(path), null, name);
});

test("refuses trees that some disk could not hold, whatever the order of the paths, and names one of them", () => {
  for (const { name, paths } of UNSAFE_TREES) {
    for (const order of [paths, [...paths].reverse()]) {
      const clash = treeProblem(order);
      assert.ok(clash !== null && paths.includes(clash.path), name);
    }
    for (const path of paths) assert.equal(pathProblem(path), null, `${name}: ${path} alone is safe`);
  }
  for (const { name, paths } of SAFE_TREES) assert.equal(treeProblem(paths), null, name);
});

test("refuses links that leave the tree, or might through another link", () => {
  for (const { path, target } of UNSAFE_LINKS) assert.notEqual(linkProblem(path, target), null, `${path} -> ${JSON.stringify(target)}`);
  for (const { path, target } of SAFE_LINKS) assert.equal(linkProblem(path, target), null, `${path} -> ${target}`);
});

const hostile = fc.constantFrom(
  "..",
  ".",
  "",
  "a",
  "b",
  "A",
  "~",
  "%2e",
  "%2f",
  "%5c",
  "%25",
  "%00",
  "\\",
  ":",
  " ",
  "C:",
  "模",
  "con",
  "\0",
);
const hostilePath = fc
  .array(
    fc.array(hostile, { maxLength: 3 }).map((parts) => parts.join("")),
    { maxLength: 6 },
  )
  .map((parts) => parts.join("/"));

/** Where a POSIX or a Windows system would write, below a root of two folders; null: outside of it. */
function landing(path: string): string[] | null {
  const at: string[] = [];
  for (const part of path.split(/[/\\]/)) {
    if (part === "..") {
      if (at.pop() === undefined) return null;
    } else if (part !== "" && part !== ".") at.push(part);
  }
  return /^[/\\]|:/.test(path) || at.length === 0 ? null : at;
}

test("property: an accepted path lands inside the tree under its own name, decoded any number of times", () => {
  fc.assert(
    fc.property(hostilePath, (path) => {
      if (pathProblem(path) !== null) return;
      assert.deepEqual(landing(path), path.split("/"));
      let seen = path;
      for (let times = 0; times < 5; times++) {
        seen = seen.replace(/%([0-9a-f]{2})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
        assert.ok(landing(seen.replaceAll(":", "_")) !== null && !/\\|\0|(^|\/)\.\.?(\/|$)/.test(seen), JSON.stringify(seen));
      }
    }),
    { numRuns: 5_000 },
  );
});

/** Follows a path as a POSIX system does, link by link; null when it leaves the root or goes round in circles. */
function follow(tree: ReadonlyMap<string, string>, path: string): "inside" | "outside" | "circle" {
  const at: string[] = [];
  const rest = path.split("/");
  for (let steps = 0; rest.length > 0; steps++) {
    if (steps > 200) return "circle";
    const step = rest.shift() ?? "";
    if (step === "" || step === ".") continue;
    if (step === "..") {
      if (at.pop() === undefined) return "outside";
      continue;
    }
    const target = tree.get([...at, step].join("/"));
    if (target === undefined) at.push(step);
    else rest.unshift(...target.split("/"));
  }
  return "inside";
}

test("property: however accepted links point at one another, following them never leaves the tree", () => {
  const step = fc.constantFrom("..", "..", ".", "", "a", "b", "c");
  const steps = fc.array(step, { minLength: 1, maxLength: 5 }).map((parts) => parts.join("/"));
  const names = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
  let [kept, escaping] = [0, 0];
  fc.assert(
    fc.property(fc.array(fc.tuple(names, steps), { minLength: 1, maxLength: 6 }), (links) => {
      const tree = new Map(links);
      const accepted = new Map([...tree].filter(([path, target]) => linkProblem(path, target) === null));
      if (treeProblem([...accepted.keys()]) !== null) return;
      for (const path of accepted.keys()) {
        kept++;
        assert.notEqual(follow(accepted, path), "outside", JSON.stringify([...accepted]));
      }
      for (const path of tree.keys()) if (follow(tree, path) === "outside") escaping++;
    }),
    { numRuns: 5_000 },
  );
  assert.ok(kept > 500 && escaping > 500, `${kept} links kept, ${escaping} would have escaped`);
});

test("property: the verdict on a tree does not depend on the order of its paths", () => {
  const path = fc.array(fc.constantFrom("a", "A", "ß", "ss", "b"), { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
  fc.assert(
    fc.property(fc.array(path, { maxLength: 6 }), fc.infiniteStream(fc.nat()), (paths, keys) => {
      const shuffled = paths.map((p) => ({ p, key: keys.next().value })).sort((a, b) => a.key - b.key);
      assert.equal(treeProblem(paths) === null, treeProblem(shuffled.map(({ p }) => p)) === null);
    }),
  );
});
