/** Makes the clock of this process wrong by CLOCK_SKEW_MS, in all that reads Date: `node --import` it. */
const skewMs = Number(process.env["CLOCK_SKEW_MS"] ?? 0);
const Real = Date;

class Skewed extends Real {
  constructor(...given: [] | [number | string | Date]) {
    if (given.length === 0) super(Real.now() + skewMs);
    else super(given[0]);
  }

  static override now(): number {
    return Real.now() + skewMs;
  }
}

globalThis.Date = Skewed as DateConstructor;

export {};
