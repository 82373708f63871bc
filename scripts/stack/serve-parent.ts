/** The child's side of startModule: start when the parent has sent the settings, end when it says so or is gone. */
import type * as z from "zod";

/** @param start resolves with what the parent waits for (JSON), and how to stop. */
export function serveParent<S>(
  settings: z.ZodType<S>,
  start: (settings: S) => Promise<{ started: unknown; stop: () => Promise<void> }>,
): void {
  let stop: () => Promise<void> = async () => {};
  const end = async () => {
    await stop().catch(() => {});
    process.exit(0);
  };
  process.once("SIGTERM", end);
  process.once("disconnect", end);
  process.once("message", async (message) => {
    try {
      const part = await start(settings.parse(message));
      stop = part.stop;
      process.send?.({ started: part.started });
    } catch (error) {
      console.error(error);
      process.send?.({ problem: error instanceof Error ? error.message : String(error) });
    }
  });
}
