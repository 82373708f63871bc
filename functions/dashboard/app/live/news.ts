/** What happens in the deployment, as the pages hear of it. One feed for the whole console, while somebody is logged in and can see it. */
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { FerryClient } from "../../../../shared/client.ts";
import type { FeedEvent } from "../../../../shared/contract/events.ts";
import { FerryError } from "../../../../shared/errors.ts";
import { isEnded, logOut, session, sleep, streamEvents } from "../core/session.ts";
import { Feed, type FeedState } from "./feed.ts";

export const feedState = signal<FeedState>("off");

type Listener = (events: readonly FeedEvent[], missed: boolean) => void;
const listeners = new Set<Listener>();

/** A burst of events is one reason to look again. */
const COALESCE_MS = 1_500;
/** Who may not read the feed at all needs none. */
const REFUSED = 403;

/** Follows the feed from now on, as long as somebody is logged in and the tab is seen. */
export function followNews(): void {
  let ending: AbortController | null = null;
  let feed: { of: FerryClient; feed: Feed } | null = null;
  const turn = () => {
    const now = session.value;
    const client = now.is === "in" && !document.hidden ? now.client : null;
    if (client === null || feed?.of !== client) ending?.abort(new DOMException("not seen", "AbortError"));
    if (now.is !== "in") feed = null;
    if (client === null || (feed?.of === client && ending?.signal.aborted === false)) return;
    if (feed?.of !== client) feed = { of: client, feed: feedOf(client) };
    ending = new AbortController();
    feed.feed.run(ending.signal).catch((problem: unknown) => {
      if (isEnded(problem)) logOut(problem);
    });
  };
  session.subscribe(turn);
  document.addEventListener("visibilitychange", turn);
}

function feedOf(client: FerryClient): Feed {
  return new Feed({
    stream: streamEvents,
    page: (after, signal) => client.call("listEvents", { query: after === null ? {} : { after } }, signal),
    sleep,
    random: Math.random,
    now: () => Date.now(),
    onEvents: (events, missed) => {
      for (const listener of listeners) listener(events, missed);
    },
    onState: (state) => {
      feedState.value = state;
    },
    isEnded: (problem) => isEnded(problem) || (problem instanceof FerryError && problem.status === REFUSED),
  });
}

/**
 * Calls `reload` soon after something happened of which the page tells. `kinds`: how the types of events begin; `repository`: only of
 * this one.
 */
export function useNews(kinds: readonly string[], reload: () => void, repository: string | null = null): void {
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  useEffect(() => {
    const concerns = ({ type, repository: of }: FeedEvent) =>
      kinds.some((kind) => type.startsWith(kind)) && (repository === null || of === repository);
    const listener: Listener = (events, missed) => {
      if (timer.current !== null || !(missed || events.some(concerns))) return;
      timer.current = setTimeout(() => {
        timer.current = null;
        reload();
      }, COALESCE_MS);
    };
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      if (timer.current !== null) clearTimeout(timer.current);
      timer.current = null;
    };
  }, [...kinds, reload, repository]);
}
