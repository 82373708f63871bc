import assert from "node:assert/strict";
import { test } from "node:test";
import { barLine, ProgressMeter, plainLine, showProgress } from "../../../scripts/cli/progress.ts";
import { displayWidth } from "../../../scripts/cli/text.ts";
import type { TransferProgress } from "../../../shared/transfer/contract.ts";
import { GiB, MiB } from "../../../shared/units.ts";
import { memoryHost } from "../../support/memory-host.ts";

const moving = (bytesDone: number, bytesMoved: number): TransferProgress => ({
  phase: "moving",
  bytesDone,
  bytesTotal: 2 * GiB,
  bytesMoved,
  filesDone: 1,
  filesTotal: 4,
});

/** 1 GiB of 2 settled in 10 s, half of it moved. */
function halfway(): { meter: ProgressMeter; nowMs: number } {
  const meter = new ProgressMeter();
  meter.facts(0);
  for (let second = 1; second <= 10; second++) {
    meter.update(moving((second * GiB) / 10, (second * GiB) / 20));
    meter.facts(second * 1000);
  }
  return { meter, nowMs: 10_000 };
}

test("speed counts bytes moved, the time left bytes settled, and what was settled without moving is saved", () => {
  const { meter, nowMs } = halfway();
  const facts = meter.facts(nowMs);
  assert.equal(facts.percent, 50);
  assert.equal(Math.round(facts.bytesPerSecond / MiB), 51);
  assert.equal(Math.round(facts.secondsLeft ?? 0), 10);
  assert.equal(facts.savedBytes, GiB / 2);
});

test("speed is that of the last ten seconds: it falls to nothing while nothing moves", () => {
  const { meter } = halfway();
  for (let second = 11; second <= 25; second++) meter.facts(second * 1000);
  const facts = meter.facts(25_000);
  assert.equal(facts.bytesPerSecond, 0);
  assert.equal(facts.secondsLeft, null);
});

test("the line for a terminal keeps to its width, and gives up the bar first", () => {
  const { meter, nowMs } = halfway();
  assert.equal(
    barLine("pushing", meter, nowMs, 120),
    "pushing  50%  ██████████░░░░░░░░░░  1.0 GiB of 2.0 GiB  51.2 MiB/s  10 s left  512 MiB saved  1/4 files",
  );
  assert.equal(barLine("pushing", meter, nowMs, 90), "pushing  50%  1.0 GiB of 2.0 GiB  51.2 MiB/s  10 s left  512 MiB saved  1/4 files");
  for (const columns of [20, 40, 60, 80, 100]) assert.ok(displayWidth(barLine("pushing", meter, nowMs, columns)) < columns, `${columns}`);
});

test("the plain line says the same", () => {
  const { meter, nowMs } = halfway();
  assert.equal(plainLine("pulling", meter, nowMs), "pulling: 50%, 1.0 GiB of 2.0 GiB, 51.2 MiB/s, 10 s left, 512 MiB saved, 1 of 4 files");
});

test("nothing to move, or nothing known yet, divides by nothing", () => {
  const meter = new ProgressMeter();
  assert.equal(plainLine("pushing", meter, 0), "listing files");
  meter.update({ phase: "moving", bytesDone: 0, bytesTotal: 0, bytesMoved: 0, filesDone: 0, filesTotal: 1 });
  assert.equal(barLine("pushing", meter, 0, 80), "listing files …");
  meter.update({ ...moving(2 * GiB, 0), phase: "finishing" });
  assert.equal(plainLine("pushing", meter, 1), "finishing");
});

/** A view whose clock ticks when the test says so. */
function view(how: { tty: boolean; quiet: boolean }) {
  const ticks: (() => void)[] = [];
  let stopped = 0;
  const every = (ms: number, tick: () => void) => {
    assert.equal(ms, how.tty ? 125 : 5000);
    ticks.push(tick);
    return () => void stopped++;
  };
  const { host, stdout, stderr } = memoryHost({ tty: how.tty, columns: 60, env: { NO_COLOR: "1" }, every });
  const shown = showProgress(host, { verb: "pushing", quiet: how.quiet });
  return { shown, tick: () => ticks.forEach((tick) => void tick()), stdout, stderr, stopped: () => stopped };
}

test("on a terminal the line is redrawn in place, and gone at the end", () => {
  const { shown, tick, stdout, stderr, stopped } = view({ tty: true, quiet: false });
  shown.onProgress(moving(GiB, GiB));
  tick();
  shown.note("stopping");
  shown.end();
  const clear = "\u001b[K";
  assert.match(stderr().replaceAll(clear, "<clear>"), /^\rpushing {2}50%[^\n]*<clear>\r<clear>stopping\n\r<clear>$/);
  assert.equal(stdout(), "");
  assert.equal(stopped(), 1);
});

test("without a terminal there are plain lines, and no control characters", () => {
  const { shown, tick, stderr } = view({ tty: false, quiet: false });
  shown.onProgress(moving(GiB, 0));
  tick();
  shown.end();
  assert.match(stderr(), /^pushing: 50%, [ -~]*\n$/);
});

test("with --quiet there is no progress", () => {
  const { shown, tick, stderr } = view({ tty: true, quiet: true });
  shown.onProgress(moving(GiB, 0));
  tick();
  shown.end();
  assert.equal(stderr(), "");
});
