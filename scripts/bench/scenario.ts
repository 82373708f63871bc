/** One thing that is measured. */
import type { Lab } from "./lab.ts";
import type { ScenarioReport } from "./report.ts";

export type Scenario = {
  name: string;
  summary: string;
  run(lab: Lab): Promise<ScenarioReport>;
};

/** Thrown by a scenario that can't be run here; it is reported with the reason. */
export class NotHere extends Error {}
