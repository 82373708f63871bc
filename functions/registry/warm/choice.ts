/** Which nodes a warm-up means: found anew from the job and the agents that are there, so nothing about it has to be kept. */
import type { AgentDescription } from "../../../shared/contract/agents.ts";
import type { NodeChoice } from "../../../shared/contract/warm.ts";
import { sha256 } from "../../../shared/digest.ts";
import { Ring } from "../../../shared/ring.ts";

export type Node = Pick<AgentDescription, "id" | "zone" | "weight" | "labels">;

/** Ids of agents; of a list also those that are not there. */
export async function chosenNodes({ id, nodes }: { id: string; nodes: NodeChoice }, agents: readonly Node[]): Promise<string[]> {
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

/** Whoever is chosen stays so when others come or go. */
async function first(id: string, agents: readonly Node[], count: number): Promise<string[]> {
  const ring = new Ring(agents);
  return ring.ranked(await sha256(id), count).map((agent) => agent.id);
}
