/** This agent's place in its ring: tells the API that it is there, and knows what came back last. Without the API the ring stays as it was. */
import type { FerryClient } from "../../shared/client.ts";
import type { AgentDescription, RingPeer } from "../../shared/contract/agents.ts";
import type { WarmReport, WarmTask } from "../../shared/contract/warm.ts";
import { problemOf } from "../../shared/errors.ts";
import { Ring } from "../../shared/ring.ts";
import { RingTickets, type TicketSubject } from "../../shared/ring-ticket.ts";
import type { Log } from "./log.ts";

const FIRST_INTERVAL_MS = 2_000;
/** Tickets that the agent makes itself. */
const TICKET_MS = 600_000;
/** Beats that failed one after another, before the agent says that it is not ready. */
const FAILURES_MAX = 12;

export type MembershipParts = {
  client: FerryClient;
  group: string;
  describe: () => AgentDescription;
  reports: () => WarmReport[];
  onTasks: (tasks: readonly WarmTask[]) => void;
  sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  random: () => number;
  /** Milliseconds since 1970. */
  clockMs: () => number;
  log: Log;
  signal: AbortSignal;
};

export class Membership {
  readonly #parts: MembershipParts;
  ring = new Ring<RingPeer>([]);
  #tickets: RingTickets | null = null;
  #intervalMs = FIRST_INTERVAL_MS;
  #failures = 0;

  constructor(parts: MembershipParts) {
    this.#parts = parts;
  }

  /** Whether the agent is one of a ring. */
  get isJoined(): boolean {
    return this.#tickets !== null && this.#failures < FAILURES_MAX;
  }

  /** Beats until the signal fires. */
  async run(): Promise<void> {
    const { signal, sleep, random, log } = this.#parts;
    while (!signal.aborted) {
      try {
        await this.beat();
      } catch (error) {
        if (signal.aborted) return;
        this.#failures++;
        log({ event: "heartbeat.failed", problem: problemOf(error), failures: this.#failures });
      }
      // Not all at once.
      await sleep(this.#intervalMs * (0.8 + 0.4 * random()), signal).catch(() => {});
    }
  }

  /** Throws what the API answers. */
  async beat(): Promise<void> {
    const { client, group, describe, reports, onTasks, signal } = this.#parts;
    const body = { group, agent: describe(), leaving: false, reports: reports() };
    const answer = await client.call("heartbeat", { body }, signal);
    this.#tickets = await RingTickets.make(answer.secrets);
    this.#tell(answer.peers);
    this.#intervalMs = answer.intervalSeconds * 1000;
    this.#failures = 0;
    onTasks(answer.tasks);
  }

  async leave(): Promise<void> {
    const { client, group, describe, log } = this.#parts;
    try {
      await client.call("heartbeat", { body: { group, agent: describe(), leaving: true, reports: [] } }, AbortSignal.timeout(3_000));
    } catch (error) {
      log({ event: "leave.failed", problem: problemOf(error) });
    }
  }

  /** A ticket of our own; null before the first beat. */
  async ticket(subject: TicketSubject): Promise<string | null> {
    const nowMs = this.#parts.clockMs();
    return (await this.#tickets?.ticket(subject, nowMs, nowMs + TICKET_MS)) ?? null;
  }

  /** Why a ticket is none for this; null: it is one. */
  async ticketProblem(ticket: string, subject: TicketSubject): Promise<string | null> {
    if (this.#tickets === null) return "the agent has not joined its ring yet";
    return this.#tickets.problem(ticket, subject, this.#parts.clockMs());
  }

  /** A ring is made anew only when it changed: making one costs more than asking it. */
  #tell(peers: readonly RingPeer[]): void {
    const next = new Ring(peers);
    if (JSON.stringify(next.members) === JSON.stringify(this.ring.members)) return;
    this.ring = next;
    this.#parts.log({ event: "ring.changed", members: next.members.length });
  }
}
