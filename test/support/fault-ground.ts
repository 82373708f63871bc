/**
 * The stores that faults are tried on (reference/safety.md §6), and a whole system on each: a suite of test/suites/faults/ says what must
 * hold, and runs unchanged on any of them.
 */
import { after, before, describe, type TestContext, type TestOptions, test } from "node:test";
import type { Store } from "../../scripts/stack/stores.ts";
import { startCeph, whyNoCeph } from "./ceph.ts";
import { type CrashStand, type CrashStandOptions, startCrashStand } from "./crash-stand.ts";
import { whyNoRedis } from "./stack.ts";

/** `open`: a new, empty home store; null: the stack's own local R2. */
export type Home = {
  name: string;
  whyNot(): string | false;
  open(): Promise<{ store: Store | null; close(): Promise<void> } | { reason: string }>;
};

export const LOCAL_R2: Home = {
  name: "local R2",
  whyNot: () => false,
  open: async () => ({ store: null, close: async () => {} }),
};

export const CEPH: Home = {
  name: "a real Ceph",
  whyNot: whyNoCeph,
  async open() {
    const ceph = await startCeph();
    return "reason" in ceph ? ceph : { store: await ceph.makeStore("home"), close: ceph.stop };
  },
};

/** Garbage at once; what is pending is kept, as the protocol needs it to be. */
const MARGINS = { chunkAgeMs: 0, intentWaitMs: 0, skewMs: 1_500, shareMax: 1 };

export type FaultGround = {
  /** A test that gets the running system, or is skipped with the reason why its store could not be started. */
  test(guarantee: string, options: TestOptions, body: (t: TestContext, stand: CrashStand) => Promise<void>): void;
};

/** One system for all `suites`, in their order. */
export function onHome(home: Home, runtime: CrashStandOptions["runtime"], suites: (ground: FaultGround) => void): void {
  describe(`on ${runtime}, real Redis and ${home.name}`, { skip: whyNoRedis() || home.whyNot() }, () => {
    let opened: Awaited<ReturnType<Home["open"]>> | null = null;
    let stand: CrashStand | null = null;
    before(async () => {
      opened = await home.open();
      if ("reason" in opened) return;
      const other = opened.store === null ? {} : { home: opened.store };
      stand = await startCrashStand({ runtime, vars: { COLLECT_MARGINS: JSON.stringify(MARGINS) }, ...other });
    });
    after(async () => {
      await stand?.stop();
      if (opened !== null && "close" in opened) await opened.close();
    });
    suites({
      test: (guarantee, options, body) =>
        void test(guarantee, options, async (t) => {
          if (stand !== null) return body(t, stand);
          t.skip(opened !== null && "reason" in opened ? opened.reason : "it did not start");
        }),
    });
  });
}
