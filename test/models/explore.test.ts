import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { explore, type Model, step } from "./explore.ts";

/** States are the nodes 0, 1, …; what each may step to is listed. */
type Graph = { edges: readonly (readonly number[])[]; bad: ReadonlySet<number>; goals?: ReadonlySet<number> };

function graphModel({ edges, bad, goals }: Graph): Model<number> {
  return {
    initial: 0,
    steps: (node) => (edges[node] ?? []).map((next) => step(`to ${next}`, next)),
    pack: (node, bits) => bits.put(node, 8),
    broken: (node) => (bad.has(node) ? `node ${node}` : null),
    ...(goals === undefined ? {} : { goal: (node: number) => goals.has(node) }),
  };
}

test("a jug of 3 and one of 5 litres: 4 litres are measured in 6 steps, the fewest there are", () => {
  const jugs: Model<readonly [number, number]> = {
    initial: [0, 0],
    steps([three, five]) {
      const over = Math.min(three, 5 - five);
      const back = Math.min(five, 3 - three);
      return [
        step("fill 3", [3, five]),
        step("fill 5", [three, 5]),
        step("empty 3", [0, five]),
        step("empty 5", [three, 0]),
        step("pour 3 into 5", [three - over, five + over]),
        step("pour 5 into 3", [three + back, five - back]),
      ];
    },
    pack([three, five], bits) {
      bits.put(three, 2);
      bits.put(five, 3);
    },
    broken: ([, five]) => (five === 4 ? "4 litres" : null),
  };
  const outcome = explore(jugs);
  assert.ok(outcome.verdict === "broken");
  assert.deepEqual(outcome.trace, ["fill 5", "pour 5 into 3", "empty 3", "pour 5 into 3", "fill 5", "pour 5 into 3"]);
});

test("of states that differ only by names one is kept: three equal counters to 9 have 220 states, not 1,000", () => {
  const counters: Model<readonly number[]> = {
    initial: [0, 0, 0],
    steps: (counts) => counts.flatMap((count, at) => (count < 9 ? [step(`${at}`, counts.with(at, count + 1))] : [])),
    pack: (counts, bits) => counts.forEach((count) => void bits.put(count, 4)),
    twins: ([a = 0, b = 0, c = 0]) => [
      [a, c, b],
      [b, a, c],
      [b, c, a],
      [c, a, b],
      [c, b, a],
    ],
    broken: () => null,
  };
  assert.deepEqual(explore(counters), { verdict: "holds", states: 220 });
  assert.deepEqual(explore({ ...counters, twins: () => [] }), { verdict: "holds", states: 1000 });
});

test("a trap is found: a state from which the goal is out of reach, by the shortest way there", () => {
  const graph = { edges: [[1, 2], [3], [4], [0], [4]], bad: new Set<number>(), goals: new Set([3]) };
  assert.deepEqual(explore(graphModel(graph)), {
    verdict: "stuck",
    states: 5,
    problem: "the goal is out of reach for good",
    trace: ["to 2"],
  });
});

test("a model that is too large is said to be so, never that it holds", () => {
  const endless: Model<number> = {
    initial: 0,
    steps: (n) => [step("on", n + 1)],
    pack: (n, bits) => bits.put(n, 31),
    broken: () => null,
  };
  assert.equal(explore(endless, { statesMax: 100 }).verdict, "too large");
});

test("on any graph the verdict, the number of states and the length of the trace are those of a plain search", () => {
  const nodes = 12;
  const node = fc.nat(nodes - 1);
  const graphs = fc.record({
    edges: fc.array(fc.array(node, { maxLength: 3 }), { minLength: nodes, maxLength: nodes }),
    bad: fc.uniqueArray(node, { maxLength: 2 }).map((list) => new Set(list)),
    goals: fc.uniqueArray(node, { maxLength: 3 }).map((list) => new Set(list)),
  });
  fc.assert(
    fc.property(graphs, ({ edges, bad, goals }) => {
      const distances = distancesFrom(0, edges);
      const safe = explore(graphModel({ edges, bad }));
      const nearest = Math.min(...[...bad].map((one) => distances.get(one) ?? Number.POSITIVE_INFINITY));
      if (nearest === Number.POSITIVE_INFINITY) assert.deepEqual(safe, { verdict: "holds", states: distances.size });
      else assert.ok(safe.verdict === "broken" && safe.trace.length === nearest);
      const stuck = [...distances.keys()].some((from) => ![...distancesFrom(from, edges).keys()].some((to) => goals.has(to)));
      assert.equal(explore(graphModel({ edges, bad: new Set(), goals })).verdict, stuck ? "stuck" : "holds");
    }),
  );
});

function distancesFrom(from: number, edges: readonly (readonly number[])[]): Map<number, number> {
  const distances = new Map([[from, 0]]);
  for (const [node, distance] of distances) {
    for (const next of edges[node] ?? []) if (!distances.has(next)) distances.set(next, distance + 1);
  }
  return distances;
}
