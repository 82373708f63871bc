/**
 * Up to when the index is known to hold everything: a note in the index itself, so that it goes back with it.
 *
 * A look begins by writing into the note, and at its end the note moves to the time when the look began, if it still says what was written
 * and everything was there. So if the index goes back to a moment before that, so does the note; and if it goes back to a moment after
 * that, it has what was written before, and what was written later is marked later. In either case all that may be lost is named by the
 * marks since the time in the note.
 *
 * What a look itself had to apply was written after its beginning, though its marks are older: a look that had to does not move the note.
 */
import { toHex } from "../../../shared/digest.ts";
import type { Ports } from "../ports.ts";
import type { Healed } from "./heal.ts";
import { MARK_SLACK_MS } from "./recent.ts";

const NOTE = "sound";

/** `soundMs`: 0 when nobody knows. `text`: what the note says now; null when there is none. */
export type Sound = { soundMs: number; text: string | null };

/** A time that is not past is from a clock that was wrong, and says nothing. */
export async function readSound(ports: Ports): Promise<Sound> {
  const text = await ports.notes.read(NOTE);
  const [, time = "0"] = /^(\d{1,15}) [0-9a-f]{16}$/.exec(text ?? "") ?? [];
  const soundMs = Number(time);
  return { soundMs: soundMs <= ports.clock.now() + ports.margins.skewMs ? soundMs : 0, text };
}

/** Writes that a look begins; the time stays. Null: somebody else wrote meanwhile. */
export function beginLook(ports: Ports, { soundMs, text }: Sound): Promise<Sound | null> {
  return move(ports, text, soundMs);
}

/** Moves the note to `beganMs`. False: the index went back meanwhile, or another look began. */
export async function endLook(ports: Ports, begun: Sound, beganMs: number): Promise<boolean> {
  return (await move(ports, begun.text, beganMs)) !== null;
}

/** Whether a look that began then left nothing to a rollback that takes neither the note nor what is marked later. */
export function provesAll({ oldestMs, left }: Pick<Healed, "oldestMs" | "left">, beganMs: number): boolean {
  return !left && (oldestMs === null || oldestMs >= beganMs - MARK_SLACK_MS);
}

async function move(ports: Ports, text: string | null, soundMs: number): Promise<Sound | null> {
  const said = `${soundMs} ${toHex(ports.random.bytes(8))}`;
  return (await ports.notes.swap(NOTE, text, said)) ? { soundMs, text: said } : null;
}
