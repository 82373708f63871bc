/**
 * What lets a client say, without its token, that the pieces of one file are there: clients of the Hub finish a multipart upload so. Whoever
 * has the ticket can make the registry read that one file once more, and nothing else; committing it needs the token.
 */
import * as z from "zod";
import { Digest, fromBase64Url, toBase64Url } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { RepositoryName } from "../../shared/names.ts";
import type { Caller, Ports } from "../registry/ports.ts";
import { getRepository } from "../registry/repositories.ts";
import { absorbSlot } from "../registry/staging/absorbed.ts";
import { STAGED_SECONDS, slotOf } from "../registry/staging/slots.ts";

const Ticket = z.strictObject({
  repository: RepositoryName,
  sha256: Digest,
  size: z.int().min(1),
  tokenId: z.string(),
  name: z.string(),
  untilMs: z.int(),
});
type Ticket = z.infer<typeof Ticket>;

const MAC_BYTES = 16;

export async function sealTicket(ports: Ports, caller: Caller, file: Pick<Ticket, "repository" | "sha256" | "size">): Promise<string> {
  const { tokenId, name } = caller;
  const ticket: Ticket = { ...file, tokenId, name, untilMs: ports.clock.now() + STAGED_SECONDS * 1000 };
  const payload = toBase64Url(new TextEncoder().encode(JSON.stringify(ticket)));
  return `${payload}.${await seal(ports, payload)}`;
}

/** Throws UPLOAD_UNKNOWN for a ticket that is none of ours, or too old; and what absorbSlot throws. */
export async function finishByTicket(ports: Ports, text: string): Promise<void> {
  const [payload = "", mac = "", ...rest] = text.split(".");
  if (rest.length > 0 || mac !== (await seal(ports, payload))) throw new FerryError("UPLOAD_UNKNOWN");
  const { repository: name, sha256, size, untilMs, ...who } = Ticket.parse(JSON.parse(new TextDecoder().decode(fromBase64Url(payload))));
  if (untilMs < ports.clock.now()) throw new FerryError("UPLOAD_UNKNOWN");
  const scopes: Caller["scopes"] = [{ repositories: name, actions: ["pull", "push"] }];
  const caller: Caller = { ...who, kind: "robot", scopes, networks: [], expiresAt: null };
  const repository = await getRepository(ports, name);
  await absorbSlot(ports, caller, repository, await slotOf(ports, who.tokenId, repository, { sha256, size }));
}

async function seal(ports: Ports, payload: string): Promise<string> {
  return toBase64Url((await ports.keyed.mac("hub-upload", payload)).subarray(0, MAC_BYTES));
}
