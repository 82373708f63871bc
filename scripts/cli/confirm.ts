/** Asking before something goes. */
import { FerryError } from "../../shared/errors.ts";
import type { Cli } from "./cli.ts";

/** The person types the name, so that a habit of pressing Enter deletes nothing. */
export async function isConfirmed({ host }: Cli, what: string, name: string): Promise<boolean> {
  if (!host.interactive) throw new FerryError("CONFIRMATION_MISSING", { what });
  const typed = await host.ask(`This deletes ${what}. Type ${name} to go on: `);
  if (typed.trim() === name) return true;
  host.stderr.write("Nothing was deleted.\n");
  return false;
}
