/** Agents join by telling that they are there, and leave by telling nothing. The ring is whoever told something lately. */
import type { AgentList, ChunkTickets, Heartbeat, HeartbeatRequest } from "../../../shared/contract/agents.ts";
import type { RepositorySummary } from "../../../shared/contract/repositories.ts";
import type { WarmTask } from "../../../shared/contract/warm.ts";
import { type Digest, toBase64Url } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import { DAY_MS, type RingSecret, RingTickets } from "../../../shared/ring-ticket.ts";
import { isoTime } from "../../../shared/time.ts";
import { demandUnblocked } from "../blocks.ts";
import type { Ports } from "../ports.ts";
import { envelopeOf, resolveRevision } from "../revisions.ts";
import { type AgentEntry, boardOf, HEARTBEAT_SECONDS, keepAgent, keepReports, readGroup, untilMs } from "./boards.ts";
import { chosenNodes } from "./choice.ts";

const TICKET_SECONDS = 3600;

export async function heartbeat(ports: Ports, { group, agent, leaving, reports }: HeartbeatRequest): Promise<Heartbeat> {
  const entry = { ...agent, seenAtMs: ports.clock.now() };
  const { agents, jobs } = await readGroup(ports, group);
  const others = agents.filter(({ id }) => id !== agent.id);
  if (leaving) await ports.boards.wipe(boardOf.agents(group), [agent.id]);
  else await keepAgent(ports, group, entry, others.length === agents.length);
  await keepReports(ports, agent.id, reports);
  const all: AgentEntry[] = leaving ? others : [...others, entry];
  const tasks: WarmTask[] = [];
  for (const { id: warmup, repository, revision, action, mode, replicas, include, exclude, bytesPerSecond, ...job } of jobs) {
    if (leaving || !chosenNodes({ id: warmup, nodes: job.nodes }, all).includes(agent.id)) continue;
    const how = { repository, revision, action, mode, replicas, include, exclude, bytesPerSecond };
    tasks.push({ warmup, ...how, untilMs: untilMs({ id: warmup, ...how, ...job }) });
  }
  return {
    intervalSeconds: HEARTBEAT_SECONDS,
    secrets: leaving ? [] : await secretsOf(ports, group),
    peers: all.filter(({ address }) => address !== "").map(({ id, address, zone, weight }) => ({ id, address, zone, weight })),
    tasks,
  };
}

export async function listAgents(ports: Ports, group: string): Promise<AgentList> {
  const { agents } = await readGroup(ports, group);
  return { agents: agents.map(({ seenAtMs, ...agent }) => ({ ...agent, seenAt: isoTime(seenAtMs) })) };
}

/** The right to read goes through the repository, as for downloads; agents of the group take the tickets. */
export async function chunkTickets(
  ports: Ports,
  repository: RepositorySummary,
  ref: string,
  { chunks, group }: { chunks: readonly Digest[]; group: string },
): Promise<ChunkTickets> {
  demandUnblocked(repository);
  const revision = await resolveRevision(ports, repository, ref);
  const { places } = await envelopeOf(ports, repository, revision);
  const nowMs = ports.clock.now();
  const tickets = await RingTickets.make(await secretsOf(ports, group));
  const items = chunks.map(async (sha256) => {
    const place = places.get(sha256);
    if (place === undefined) throw new FerryError("CHUNK_UNKNOWN", { revision: revision.revision, chunk: sha256 });
    const subject = { repository: repository.repository, sha256, size: place.size };
    const ticket = await tickets.ticket(subject, nowMs, nowMs + TICKET_SECONDS * 1000);
    return { sha256, size: place.size, ticket: ticket ?? "" };
  });
  return { expiresInSeconds: TICKET_SECONDS, items: await Promise.all(items) };
}

/** Tomorrow's, too: an agent must take what the API makes right after midnight. */
async function secretsOf(ports: Ports, group: string): Promise<RingSecret[]> {
  const today = Math.floor(ports.clock.now() / DAY_MS);
  const days = [today - 1, today, today + 1];
  const macs = await ports.keyed.macs(["ring", group], days.map(String));
  return days.map((day, at) => ({ day, secret: toBase64Url(macs[at] ?? new Uint8Array()) }));
}
