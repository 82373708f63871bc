/** Sends one chunk by its ticket, and decides what each answer of the store means. */
import { FerryError } from "../errors.ts";
import type { Lanes } from "./lanes.ts";
import type { LocalChunk, SourceFile, StoreAnswer } from "./ports.ts";
import type { PushSetting } from "./push-setting.ts";
import { isTransient, statusText, Tries } from "./retry.ts";
import type { Ticket } from "./tickets.ts";

/** Tickets refused one after another although they are fresh: it is not their age. */
const RENEWALS_MAX = 3;
/** Bytes that the store refuses although the file holds them: something between spoils them. */
const MISMATCHES_MAX = 3;

export type Sending = {
  file: SourceFile;
  chunk: LocalChunk;
  ticket: Ticket;
  /** Another ticket, or null when the store has the chunk by now. */
  renew: () => Promise<Ticket | null>;
  lanes: Lanes;
  signal: AbortSignal;
};

/** `had`: while sending it turned out that the store has it. Throws what `Source.send` throws, TRANSFER_FAILED, TRANSFER_REFUSED. */
export async function sendChunk(setting: PushSetting, sending: Sending): Promise<"sent" | "had"> {
  return new ChunkSender(setting, sending).run();
}

class ChunkSender {
  readonly #setting: PushSetting;
  readonly #sending: Sending;
  readonly #tries: Tries;
  #ticket: Ticket;
  #refused = 0;
  #mismatches = 0;

  constructor(setting: PushSetting, sending: Sending) {
    this.#setting = setting;
    this.#sending = sending;
    this.#ticket = sending.ticket;
    this.#tries = new Tries(`chunk ${sending.chunk.sha256} of ${sending.file.path}`, setting.machine, setting.budget);
  }

  async run(): Promise<"sent" | "had"> {
    for (;;) {
      if (this.#setting.machine.nowMs() >= this.#ticket.freshUntilMs && !(await this.#renew())) return "had";
      const answer = await this.#send();
      if (answer.kind === "broken" || isTransient(answer)) await this.#again(answer);
      else if (isStored(answer.status)) return this.#stored();
      else if (answer.status === 400) await this.#mismatch(answer);
      else if (answer.status !== 403) throw this.#refusal(answer);
      else if (!(await this.#expired(answer))) return "had";
    }
  }

  async #again(answer: StoreAnswer): Promise<void> {
    const { signal } = this.#sending;
    await this.#tries.fail(answer, signal).catch((error: unknown) => this.#tries.endure(error, signal));
  }

  #send(): Promise<StoreAnswer> {
    const { file, chunk, lanes, signal } = this.#sending;
    const onBytes = (bytes: number) => {
      lanes.moved(bytes);
      this.#setting.progress.moved(bytes);
    };
    return lanes.use(signal, async (): Promise<StoreAnswer> => {
      // The ticket may have aged while this chunk waited for a connection.
      if (this.#setting.machine.nowMs() >= this.#ticket.freshUntilMs)
        return { kind: "answered", status: 403, code: "Aged", retryAfterSeconds: 0 };
      return this.#setting.source.send({ file, chunk, request: this.#ticket.request }, { signal, onBytes });
    });
  }

  #stored(): "sent" {
    this.#tries.succeed();
    return "sent";
  }

  async #renew(): Promise<boolean> {
    const ticket = await this.#sending.renew();
    if (ticket === null) return false;
    this.#ticket = ticket;
    return true;
  }

  async #expired(answer: StoreAnswer & { kind: "answered" }): Promise<boolean> {
    const aged = this.#setting.machine.nowMs() >= this.#ticket.freshUntilMs;
    if (!aged && ++this.#refused > RENEWALS_MAX) throw this.#refusal(answer);
    return this.#renew();
  }

  /** The store saw other bytes than were hashed: did the file change, or were they spoilt on the way? */
  async #mismatch(answer: StoreAnswer & { kind: "answered" }): Promise<void> {
    const { file, chunk, signal } = this.#sending;
    if (!(await this.#setting.source.holds(file, chunk, signal))) throw new FerryError("FILE_CHANGED", { path: file.path });
    if (++this.#mismatches > MISMATCHES_MAX) throw this.#refusal(answer);
    await this.#tries.fail(answer, signal);
  }

  #refusal(answer: { status: number; code: string }): FerryError {
    return new FerryError("TRANSFER_REFUSED", {
      what: `chunk ${this.#sending.chunk.sha256} of ${this.#sending.file.path}`,
      problem: statusText(answer),
    });
  }
}

/** 412 and 409: the object is there already, at a key that only this upload knows. Confirming tells whether it is whole. */
function isStored(status: number): boolean {
  return (status >= 200 && status < 300) || status === 412 || status === 409;
}
