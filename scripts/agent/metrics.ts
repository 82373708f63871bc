/** What the agent counts, in the text form that Prometheus reads. */
import type { BringCounts } from "./bring.ts";
import type { CacheCounts } from "./cache.ts";
import type { DoorCounts } from "./door.ts";
import type { Fault } from "./peers.ts";

export type AgentCounts = {
  cache: CacheCounts & { maxBytes: number };
  bring: BringCounts & { flying: number; originActive: number };
  door: DoorCounts & { sending: number };
  peers: { ring: number; left: number; faults: Record<Fault, number> };
  scrub: { chunks: number; bytes: number; wrong: number };
  warm: { tasks: number; ready: number };
  /** Revisions of which every chunk is here and was hashed. */
  artifacts: readonly { repository: string; revision: string }[];
  joined: boolean;
};

type Sample = [labels: string, value: number];

export function metricsText({ cache, bring, door, peers, scrub, warm, artifacts, joined }: AgentCounts): string {
  const plain = (value: number): Sample[] => [["", value]];
  return [
    metric("ferry_agent_joined", "gauge", "Whether the agent is in its ring.", plain(joined ? 1 : 0)),
    metric("ferry_agent_cache_bytes", "gauge", "Bytes of chunks in the cache.", plain(cache.bytes)),
    metric("ferry_agent_cache_max_bytes", "gauge", "What the cache may hold.", plain(cache.maxBytes)),
    metric("ferry_agent_cache_chunks", "gauge", "Chunks in the cache.", plain(cache.chunks)),
    metric("ferry_agent_cache_pinned_bytes", "gauge", "Bytes that stay whatever is needed.", plain(cache.pinnedBytes)),
    metric("ferry_agent_evicted_bytes_total", "counter", "Bytes that made room.", plain(cache.evictedBytes)),
    metric("ferry_agent_dropped_chunks_total", "counter", "Chunks whose file was wrong.", plain(cache.dropped)),
    metric("ferry_agent_requests_total", "counter", "Requests for chunks, by what was found.", [
      ['{found="here"}', door.hits],
      ['{found="not"}', door.misses],
    ]),
    metric("ferry_agent_served_bytes_total", "counter", "Bytes given to readers.", plain(door.servedBytes)),
    metric("ferry_agent_refused_total", "counter", "Requests that failed.", plain(door.refused)),
    metric("ferry_agent_busy_total", "counter", "Requests that were sent elsewhere.", plain(door.busy)),
    metric("ferry_agent_sending", "gauge", "Answers with bytes now.", plain(door.sending)),
    metric("ferry_agent_fetched_bytes_total", "counter", "Bytes that came, by where from.", [
      ['{from="origin"}', bring.originBytes],
      ['{from="peer"}', bring.peerBytes],
    ]),
    metric("ferry_agent_fetched_chunks_total", "counter", "Chunks that came, by where from.", [
      ['{from="origin"}', bring.originChunks],
      ['{from="peer"}', bring.peerChunks],
    ]),
    metric("ferry_agent_corrupt_chunks_total", "counter", "Chunks that came wrong.", plain(bring.corrupt)),
    metric("ferry_agent_failed_chunks_total", "counter", "Chunks that did not come.", plain(bring.failed)),
    metric("ferry_agent_flying", "gauge", "Chunks on their way.", plain(bring.flying)),
    metric("ferry_agent_origin_active", "gauge", "Requests to the store now.", plain(bring.originActive)),
    metric("ferry_agent_ring_members", "gauge", "Agents of the ring.", plain(peers.ring)),
    metric("ferry_agent_peers_left", "gauge", "Agents that are left alone for a while.", plain(peers.left)),
    metric(
      "ferry_agent_peer_faults_total",
      "counter",
      "What agents did wrong.",
      Object.entries(peers.faults).map(([fault, count]): Sample => [`{fault="${fault}"}`, count]),
    ),
    metric("ferry_agent_scrubbed_bytes_total", "counter", "Bytes read again from the disk.", plain(scrub.bytes)),
    metric("ferry_agent_scrubbed_chunks_total", "counter", "Chunks read again from the disk.", plain(scrub.chunks)),
    metric("ferry_agent_scrub_wrong_total", "counter", "Chunks that were found wrong by it.", plain(scrub.wrong)),
    metric(
      "ferry_agent_artifact_ready",
      "gauge",
      "Warmed revisions of which every chunk was hashed here.",
      // Names and ids have no character that would have to be escaped.
      artifacts.map(({ repository, revision }): Sample => [`{repository="${repository}",revision="${revision}"}`, 1]),
    ),
    metric("ferry_agent_warm_tasks", "gauge", "Warm-ups of this node, by whether all is there.", [
      ['{state="ready"}', warm.ready],
      ['{state="other"}', warm.tasks - warm.ready],
    ]),
  ].join("");
}

function metric(name: string, type: "gauge" | "counter", help: string, samples: Sample[]): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${samples.map(([labels, value]) => `${name}${labels} ${value}\n`).join("")}`;
}
