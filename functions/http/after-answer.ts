/** Work that need not be waited for: by waitUntil where there is one, else it goes on beside. Its failure is logged. */
import { FerryError } from "../../shared/errors.ts";
import type { EdgeContext, Services } from "./edge.ts";

export function afterAnswer(c: EdgeContext, name: string, work: (services: Services) => Promise<void>): void {
  const services = c.get("services");
  const requestId = c.get("requestId");
  const done = work(services).catch((error: unknown) => {
    services.log({ event: `${name}.failed`, requestId, code: error instanceof FerryError ? error.code : "INTERNAL" });
  });
  waitUntilOf(c)?.(done);
}

/** Hono throws where there is no execution context: on Node, and in tests. */
function waitUntilOf(c: EdgeContext): ((work: Promise<unknown>) => void) | null {
  try {
    const context = c.executionCtx;
    return (work) => context.waitUntil(work);
  } catch {
    return null;
  }
}
