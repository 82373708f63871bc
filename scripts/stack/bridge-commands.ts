/**
 * What the bridge lets through to Redis. Everybody shares one connection, so commands that wait, subscribe, or change the connection
 * itself are refused, and so are those that administer the server: the bridge's token is for data. Upstash refuses the same groups.
 */
import type { Command } from "./resp.ts";

/** The caller's mistake; `status` is the HTTP status. */
export class BridgeRefusal extends Error {
  readonly status: number;
  constructor(problem: string, status = 400) {
    super(problem);
    this.name = "BridgeRefusal";
    this.status = status;
  }
}

const WAITING = "BLPOP BRPOP BLMOVE BLMPOP BRPOPLPUSH BZPOPMIN BZPOPMAX BZMPOP WAIT WAITAOF";
const CONNECTION = "AUTH HELLO QUIT RESET SELECT CLIENT READONLY READWRITE ASKING";
const TRANSACTION = "MULTI EXEC DISCARD WATCH UNWATCH";
const STREAMING = "SUBSCRIBE PSUBSCRIBE SSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE SUNSUBSCRIBE MONITOR SYNC PSYNC REPLCONF";
const ADMINISTRATION =
  "ACL BGREWRITEAOF BGSAVE CLUSTER CONFIG DEBUG FAILOVER LATENCY MIGRATE MODULE PFDEBUG PFSELFTEST REPLICAOF RESTORE-ASKING SAVE SHUTDOWN SLAVEOF SLOWLOG SWAPDB";

const REFUSED = new Set([WAITING, CONNECTION, TRANSACTION, STREAMING, ADMINISTRATION].join(" ").split(" "));

/** The commands of a `/pipeline` or `/multi-exec` body. Throws BridgeRefusal. */
export function parseCommands(body: unknown): Command[] {
  if (!Array.isArray(body)) throw new BridgeRefusal("ERR the body must be an array of commands");
  if (body.length === 0) throw new BridgeRefusal("ERR the body holds no command");
  return body.map(parseCommand);
}

/** One command: an array of its name and arguments, strings, numbers or booleans. Throws BridgeRefusal. */
export function parseCommand(body: unknown): Command {
  if (!Array.isArray(body) || body.length === 0) throw new BridgeRefusal("ERR a command must be an array that begins with its name");
  const command = body.map(parseArgument);
  refuseUnsafe(command);
  return command;
}

/** The command of `/set/key/value?EX=10`: the path's segments, then the body, then the query's names and values. Throws BridgeRefusal. */
export function parsePath(pathname: string, query: URLSearchParams, body: string): Command {
  const command = pathname.slice(1).split("/").map(decodeSegment);
  if (body !== "") command.push(body);
  for (const [name, value] of query) command.push(...(value === "" ? [name] : [name, value]));
  refuseUnsafe(command);
  return command;
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new BridgeRefusal("ERR the path is not valid percent-encoding");
  }
}

function parseArgument(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return String(value);
  if (typeof value !== "number") throw new BridgeRefusal("ERR an argument must be a string, a number or a boolean");
  // JSON.parse has rounded it already: sending the rounded value would store another number than the caller wrote.
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw new BridgeRefusal("ERR send integers beyond 2^53 as strings");
  return String(value);
}

function refuseUnsafe(command: Command): void {
  const name = (command[0] ?? "").toUpperCase();
  if (name === "") throw new BridgeRefusal("ERR a command must begin with its name");
  if (REFUSED.has(name)) throw new BridgeRefusal(`ERR the command ${name} is not available over REST`);
  if ((name === "XREAD" || name === "XREADGROUP") && blocks(command))
    throw new BridgeRefusal(`ERR ${name} with BLOCK is not available over REST`);
}

/** Whether BLOCK stands among the options, which end at STREAMS; for XREADGROUP they follow GROUP, group and consumer. */
function blocks(command: Command): boolean {
  let at = command[0]?.toUpperCase() === "XREADGROUP" ? 4 : 1;
  for (; at < command.length; at++) {
    const word = command[at]?.toUpperCase();
    if (word === "STREAMS") return false;
    if (word === "BLOCK") return true;
  }
  return false;
}
