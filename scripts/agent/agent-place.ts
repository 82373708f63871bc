/** Where the agent of this machine may be. */
import { statSync } from "node:fs";
import { FerryError } from "../../shared/errors.ts";

const WELL_KNOWN_SOCKETS = ["/var/lib/modelferry/agent.sock", "/run/modelferry/agent.sock"];

export type AgentPlace = { socketPath: string } | { host: string; port: number };

/**
 * Where an agent may be: `FERRY_AGENT` (a socket's path, `http://host:port`, or `off`), else a well-known socket. Null: nowhere. Throws
 * USAGE_INVALID.
 */
export function findAgent(env: Readonly<Record<string, string | undefined>>): AgentPlace | null {
  const named = env["FERRY_AGENT"];
  if (named === undefined || named === "") {
    const socketPath = WELL_KNOWN_SOCKETS.find(isSocket);
    return socketPath === undefined ? null : { socketPath };
  }
  if (named === "off") return null;
  const path = named.replace(/^unix:(\/\/)?/, "");
  if (path.startsWith("/")) return { socketPath: path };
  const [, host, port] = /^http:\/\/([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]):(\d{1,5})\/?$/.exec(named) ?? [];
  if (host !== undefined) return { host: host.replace(/^\[|\]$/g, ""), port: Number(port) };
  throw new FerryError("USAGE_INVALID", { problem: `FERRY_AGENT is '${named}': give a socket's path, http://host:port, or off` });
}

function isSocket(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isSocket() ?? false;
}
