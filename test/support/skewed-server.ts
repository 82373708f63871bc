/** functions/server.ts on a machine whose clock is wrong by CLOCK_SKEW_MS. Redis and the stores keep their own time. */
import "./skewed-clock.ts";

await import("../../functions/server.ts");
