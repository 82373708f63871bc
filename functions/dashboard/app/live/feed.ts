/**
 * Follows the deployment's feed for as long as somebody looks: by one stream, which the server ends every minute; when streams do not come
 * through (a proxy that waits for their end), by asking every ten seconds. It goes on from the last event it has, so nothing comes twice,
 * and nothing is left out that the deployment still keeps. Pauses grow with failures and are drawn by lot, so that a thousand consoles do
 * not come back at once.
 */
import { EventPage, FeedEvent } from "../../../../shared/contract/events.ts";
import { messagesIn } from "./sse.ts";

export type FeedState = "off" | "streaming" | "polling";

export type FeedPorts = {
  /** The answer's body; null when it is no stream of events. Throws what the API answers. */
  stream(after: string | null, signal: AbortSignal): Promise<ReadableStream<Uint8Array> | null>;
  page(after: string | null, signal: AbortSignal): Promise<EventPage>;
  /** Rejects when the signal fires. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** 0 to 1. */
  random(): number;
  now(): number;
  /** `missed`: there were others that are kept no more. */
  onEvents(events: readonly FeedEvent[], missed: boolean): void;
  onState(state: FeedState): void;
  /** Whether there is no use in going on: the log-in is over. */
  isEnded(problem: unknown): boolean;
};

/** The server says at once that it is there. */
export const FIRST_MESSAGE_MS = 10_000;
/** Between two messages there are three seconds. */
export const SILENCE_MS = 30_000;
export const POLL_MS = 10_000;
const AGAIN_MS = 1_000;
const PAUSE_MAX_MS = 60_000;
/** So many streams in a row that gave nothing, and it is asked in steps. */
const BARREN_MAX = 2;
/** How long it is asked in steps before a stream is tried again. */
const STREAM_AGAIN_MS = 300_000;

export class Feed {
  readonly #ports: FeedPorts;
  #after: string | null = null;
  #failures = 0;
  #barren = 0;
  #pollUntilMs = 0;

  constructor(ports: FeedPorts) {
    this.#ports = ports;
  }

  /** Until the signal fires, or the log-in is over; may be run again later, and goes on where it was. Throws what `isEnded` said of. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        await (this.#ports.now() < this.#pollUntilMs ? this.#poll(signal) : this.#follow(signal));
        await this.#ports.sleep(this.#pauseMs(), signal);
      }
    } catch (problem) {
      if (!signal.aborted) throw problem;
    } finally {
      this.#ports.onState("off");
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const told = await this.#listen(signal);
    if (told) {
      this.#barren = 0;
      return;
    }
    this.#barren++;
    if (this.#barren < BARREN_MAX) return;
    this.#barren = 0;
    this.#pollUntilMs = this.#ports.now() + STREAM_AGAIN_MS;
  }

  /** Whether anything came by the stream. */
  async #listen(signal: AbortSignal): Promise<boolean> {
    let told = false;
    const patience = new AbortController();
    const either = AbortSignal.any([signal, patience.signal]);
    let alarm = this.#alarm(patience, FIRST_MESSAGE_MS);
    try {
      const stream = await this.#ports.stream(this.#after, either);
      if (stream === null) return false;
      for await (const message of messagesIn(stream)) {
        alarm.abort();
        alarm = this.#alarm(patience, SILENCE_MS);
        if (!told) this.#ports.onState("streaming");
        told = true;
        this.#failures = 0;
        if (message.id !== "") this.#after = message.id;
        this.#tell(message);
      }
    } catch (problem) {
      if (signal.aborted || this.#ports.isEnded(problem)) throw problem;
      this.#failures++;
    } finally {
      alarm.abort();
    }
    return told;
  }

  #tell({ event, data }: { event: string; data: string }): void {
    const parsed = data === "" || event === "missed" ? null : FeedEvent.safeParse(parseJson(data));
    if (event === "missed") this.#ports.onEvents([], true);
    if (parsed?.success) this.#ports.onEvents([parsed.data], false);
  }

  async #poll(signal: AbortSignal): Promise<void> {
    this.#ports.onState("polling");
    try {
      const { events, next, missed } = EventPage.parse(await this.#ports.page(this.#after, signal));
      this.#after = next;
      this.#failures = 0;
      if (events.length > 0 || missed) this.#ports.onEvents(events, missed);
    } catch (problem) {
      if (signal.aborted || this.#ports.isEnded(problem)) throw problem;
      this.#failures++;
    }
  }

  #pauseMs(): number {
    const usual = this.#ports.now() < this.#pollUntilMs ? POLL_MS : AGAIN_MS;
    return Math.min(PAUSE_MAX_MS, usual * 2 ** this.#failures) * (0.5 + this.#ports.random());
  }

  #alarm(patience: AbortController, ms: number): AbortController {
    const off = new AbortController();
    this.#ports.sleep(ms, off.signal).then(
      () => patience.abort(new DOMException("nothing came", "TimeoutError")),
      () => {},
    );
    return off;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
