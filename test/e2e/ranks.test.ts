/** Eight processes push one checkpoint together, on the real stack: test/suites/faults/ranks.ts says what must hold. */
import { ranksSuite } from "../suites/faults/ranks.ts";
import { LOCAL_R2, onHome } from "../support/fault-ground.ts";

onHome(LOCAL_R2, "workerd", (ground) => ranksSuite(ground, { ranks: 8, isWhole: true }));
