/** Which nodes a warm-up means: found anew from the job and the agents that are there, so nothing about it has to be kept. */
import type { AgentDescription } from "../../../shared/contract/agents.ts";
import type { NodeChoice } from "../../../shared/contract/warm.ts";

export type Node = Pick<AgentDescription, "id" | "labels">;

/** Ids of agents; of a list also those that are not there. */
export function chosenNodes({ id, nodes }: { id: string; nodes: NodeChoice }, agents: readonly Node[]): string[] {
  switch (nodes.kind) {
    case "all":
      return agents.map((agent) => agent.id);
    case "list":
      return nodes.ids;
    case "labels": {
      const wanted = Object.entries(nodes.labels);
      return agents.filter(({ labels }) => wanted.every(([name, value]) => labels[name] === value)).map((agent) => agent.id);
    }
    case "count":
      return first(id, agents, nodes.count);
    case "percent":
      return first(id, agents, Math.ceil((agents.length * nodes.percent) / 100));
    default:
      return nodes satisfies never;
  }
}

/** By a hash of warm-up and agent, so that whoever is chosen stays so when others come or go. */
function first(warmup: string, agents: readonly Node[], count: number): string[] {
  const ranked = agents.map(({ id }) => ({ id, rank: rankOf(`${warmup} ${id}`) }));
  ranked.sort((a, b) => a.rank - b.rank || (a.id < b.id ? -1 : 1));
  return ranked.slice(0, count).map(({ id }) => id);
}

/** FNV-1a, and its bits mixed: ids that differ at their ends alone would lie side by side. */
function rankOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}
