/** The feed: pages, or the same as server-sent events for as long as a connection may last. */
import type { Context, Hono } from "hono";
import { EventCursor, EventPage } from "../../shared/contract/events.ts";
import { ROUTES } from "../../shared/contract/routes.ts";
import type { Edge, EdgeContext } from "../http/edge.ts";
import { mount } from "../http/mount.ts";
import { readFeed } from "../registry/events/feed.ts";

/** Whoever wants more connects again, with the id of the last event it has. */
const STREAM_MS = 55_000;
const POLL_MS = 3_000;
const PAGE = 100;

export function mountEvents(app: Hono<Edge>): void {
  app.use(ROUTES.listEvents.path, async (c, next) => {
    await next();
    if (c.res.status !== 200 || !wantsStream(c)) return;
    const first = EventPage.parse(await c.res.json());
    const last = EventCursor.safeParse(c.req.header("last-event-id"));
    c.res = streamOf(c, last.success ? { events: [], next: last.data, missed: false } : first);
  });
  mount(app, "listEvents", ({ ports, caller, query }) => readFeed(ports, caller, query));
}

function wantsStream(c: Context): boolean {
  return c.req.method === "GET" && (c.req.header("accept") ?? "").includes("text/event-stream");
}

function streamOf(c: EdgeContext, first: EventPage): Response {
  const state = { ended: false };
  const stream = new ReadableStream<Uint8Array>({
    start: (out) =>
      void write(c, first, out, state).finally(() => {
        if (!state.ended) out.close();
      }),
    cancel: () => {
      state.ended = true;
    },
  });
  return new Response(stream, { headers: { "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no" } });
}

/** Ends at a failure too: the client comes again with what it has. */
async function write(c: EdgeContext, first: EventPage, out: ReadableStreamDefaultController<Uint8Array>, state: { ended: boolean }) {
  const { ports, sleep, log } = c.get("services");
  const caller = c.get("caller");
  const encoder = new TextEncoder();
  const untilMs = ports.clock.now() + STREAM_MS;
  out.enqueue(encoder.encode("retry: 1000\n\n"));
  try {
    for (let page = first; ; page = await readFeed(ports, caller, { after: page.next, limit: PAGE })) {
      if (state.ended) return;
      out.enqueue(encoder.encode(textOf(page)));
      if (page.events.length >= PAGE) continue;
      if (ports.clock.now() >= untilMs) return;
      await sleep(POLL_MS);
    }
  } catch {
    log({ event: "events.ended", requestId: c.get("requestId") });
  }
}

/** The id of the last is the cursor to go on from; a comment says that the connection is alive. */
function textOf({ events, next, missed }: EventPage): string {
  const gap = missed ? `event: missed\ndata: {}\n\n` : "";
  const told = events.map((event) => `id: ${event.cursor}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join("");
  return `${gap}${told}${events.length === 0 ? `id: ${next}\n: alive\n\n` : ""}`;
}
