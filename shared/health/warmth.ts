/** The agents of all groups and their warmth, for those who look at a deployment as a whole. */
import type { FerryClient } from "../client.ts";
import type { AgentList } from "../contract/agents.ts";
import type { WarmMap } from "../contract/observe.ts";

export type GroupWarmth = Pick<WarmMap, "nodes" | "warmups"> & { group: string };

/** A group is a question of its own. Who has more looks at them one by one. */
const GROUPS_MAX = 20;
const DEFAULT_GROUP = "default";

/** The group `default` first, the others by name. */
export async function warmthOfGroups(client: FerryClient, signal?: AbortSignal): Promise<GroupWarmth[]> {
  const { groups, ...first } = await client.call("warmMap", { query: { group: DEFAULT_GROUP } }, signal);
  const more = othersOf(groups).map(async (group) => {
    const { nodes, warmups } = await client.call("warmMap", { query: { group } }, signal);
    return { group, nodes, warmups };
  });
  return [{ group: DEFAULT_GROUP, ...first }, ...(await Promise.all(more))];
}

/** Agents of all groups. */
export async function agentsOfGroups(client: FerryClient, signal?: AbortSignal): Promise<AgentList["agents"]> {
  const { groups } = await client.call("warmMap", { query: { group: DEFAULT_GROUP } }, signal);
  const lists = [DEFAULT_GROUP, ...othersOf(groups)].map((group) => client.call("listAgents", { query: { group } }, signal));
  return (await Promise.all(lists)).flatMap(({ agents }) => agents);
}

function othersOf(groups: readonly string[]): string[] {
  return groups.filter((group) => group !== DEFAULT_GROUP).slice(0, GROUPS_MAX - 1);
}
