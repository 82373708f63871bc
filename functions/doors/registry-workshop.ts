/** The registry as a door's workshop. */
import { type Digest, toHex } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { OperationId, RefName, type RepositoryName, RevisionId } from "../../shared/names.ts";
import { spend } from "../http/spend.ts";
import { demand, demandStore } from "../registry/access.ts";
import { restoreBranch } from "../registry/clone.ts";
import { livingState, valueAt } from "../registry/living.ts";
import { renameRepository } from "../registry/rename.ts";
import { createRepository, deleteRepository, getRepository } from "../registry/repositories.ts";
import { absorbSlot, findAbsorbed } from "../registry/staging/absorbed.ts";
import { commitChanges } from "../registry/staging/changes.ts";
import { expungeFiles, filesEver, squashBranch } from "../registry/staging/rewrite.ts";
import { openSlots, slotOf } from "../registry/staging/slots.ts";
import { deleteBranch, deleteTag, setTag } from "../registry/tags.ts";
import type { CatalogFile } from "./catalog.ts";
import { RegistryCatalog } from "./registry-catalog.ts";
import { sealTicket } from "./upload-ticket.ts";
import type { DoorChange, DoorCommit, FileEver, Slotted, Wanted, Workshop } from "./workshop.ts";

export class RegistryWorkshop extends RegistryCatalog implements Workshop {
  async create(repository: RepositoryName): Promise<void> {
    demand(this.caller, "push", repository);
    await createRepository(this.ports, this.caller, { repository, operationId: this.#operation() });
  }

  async remove(name: RepositoryName): Promise<void> {
    const repository = await this.#open(name, "delete");
    await deleteRepository(this.ports, this.caller, repository.repository, this.#operation());
    this.forget(name);
  }

  async move(from: RepositoryName, repository: RepositoryName): Promise<void> {
    await renameRepository(this.ports, this.caller, from, { repository, operationId: this.#operation() });
    this.forget(from);
  }

  async squash(name: RepositoryName, branch: string, message: string): Promise<void> {
    const repository = await this.#openForTrash(name);
    const newId = () => this.#operation();
    await squashBranch(this.ports, this.caller, repository, { branch: refName(branch), message: message.slice(0, MESSAGE_MAX), newId });
    this.forget(name);
  }

  async filesEver(name: RepositoryName): Promise<FileEver[]> {
    demand(this.caller, "pull", name);
    const files = await filesEver(this.ports, await getRepository(this.ports, name));
    return files.map(({ file: { path, size, sha256 }, revision: { branch, time } }) => ({ path, size, sha256, branch, time }));
  }

  async expunge(name: RepositoryName, contents: readonly Digest[]): Promise<void> {
    const repository = await this.#openForTrash(name);
    await expungeFiles(this.ports, this.caller, repository, { contents, newId: () => this.#operation() });
    this.forget(name);
  }

  async #openForTrash(name: RepositoryName) {
    await this.#open(name, "push");
    return this.#open(name, "delete");
  }

  async createBranch(name: RepositoryName, text: string, ref: string | undefined): Promise<void> {
    const repository = await this.#open(name, "push");
    const branch = refName(text);
    const { branches, tags } = await livingState(this.ports, repository);
    const current = valueAt(branches, branch) ?? valueAt(tags, branch);
    if (current !== undefined) throw new FerryError("TAG_EXISTS", { tag: branch, current });
    const request = { ref: ref ?? "main", expected: null, message: `Branch ${branch}`, operationId: this.#operation() };
    await restoreBranch(this.ports, this.caller, repository, branch, request);
  }

  async removeBranch(name: RepositoryName, branch: string): Promise<void> {
    const repository = await this.#open(name, "delete");
    await deleteBranch(this.ports, this.caller, repository, refName(branch), { operationId: this.#operation() });
  }

  async tag(name: RepositoryName, tag: string, { ref, message }: { ref: string; message: string }): Promise<void> {
    const repository = await this.#open(name, "tag");
    await setTag(this.ports, this.caller, repository, refName(tag), { ref, force: false, message, operationId: this.#operation() });
  }

  async untag(name: RepositoryName, tag: string): Promise<void> {
    const repository = await this.#open(name, "tag");
    await deleteTag(this.ports, this.caller, repository, refName(tag), { operationId: this.#operation() });
  }

  async stage(name: RepositoryName, files: readonly Wanted[]): Promise<Slotted[]> {
    const repository = await this.#open(name, "push");
    const { home } = this.ports.stores;
    demandStore(this.caller, "push", name, home.profile.id);
    const there = await this.#present(name);
    const missing: Wanted[] = [];
    for (const file of files)
      if (!there.has(`${file.sha256} ${file.size}`) && !(await this.#isAbsorbed(repository, file))) missing.push(file);
    const opened = await openSlots(this.ports, this.caller, repository, missing);
    await spend(this.context, this.caller, { requests: 0, urls: opened.reduce((sum, { urls }) => sum + urls.length, 0) });
    const uploads = new Map(opened.map(({ slot, urls }) => [slot.sha256, { urls, pieceBytes: slot.pieceBytes }]));
    return Promise.all(
      files.map(async (file) => {
        const upload = uploads.get(file.sha256);
        return {
          ...file,
          upload:
            upload === undefined ? null : { ...upload, ticket: await sealTicket(this.ports, this.caller, { ...file, repository: name }) },
        };
      }),
    );
  }

  /** Files that the default branch has need not be sent again. */
  async #present(name: RepositoryName): Promise<Set<string>> {
    const { branches } = await this.names(name);
    const { main } = branches;
    const files: readonly CatalogFile[] = main === undefined ? [] : (await this.snapshot(name, main)).files;
    return new Set(files.map(({ sha256, size }) => `${sha256} ${size}`));
  }

  async #isAbsorbed(repository: Parameters<typeof slotOf>[2], file: Wanted): Promise<boolean> {
    return (await findAbsorbed(this.ports, await slotOf(this.ports, this.caller.tokenId, repository, file))) !== null;
  }

  async finish(name: RepositoryName, file: Wanted): Promise<void> {
    const repository = await this.#open(name, "push");
    await absorbSlot(this.ports, this.caller, repository, await slotOf(this.ports, this.caller.tokenId, repository, file));
  }

  async commit(name: RepositoryName, { branch, parent, message }: DoorCommit, changes: AsyncIterable<DoorChange>): Promise<string> {
    const repository = await this.#open(name, "push");
    const seen = parent === undefined ? undefined : RevisionId.safeParse(parent);
    if (seen?.success === false) throw new FerryError("BRANCH_MOVED", { branch, current: "another", expected: parent?.slice(0, 40) ?? "" });
    const request = { branch: refName(branch), parent: seen?.data, message: message.slice(0, MESSAGE_MAX) };
    return commitChanges(this.ports, this.caller, repository, request, changes);
  }

  async #open(name: RepositoryName, action: "push" | "tag" | "delete") {
    demand(this.caller, action, name);
    return getRepository(this.ports, name);
  }

  #operation(): OperationId {
    return OperationId.parse(toHex(this.ports.random.bytes(16)));
  }
}

const MESSAGE_MAX = 4000;

/** Throws REQUEST_INVALID. */
function refName(text: string): RefName {
  const parsed = RefName.safeParse(text);
  if (!parsed.success) throw new FerryError("REQUEST_INVALID", { problem: "it is no name of a branch or a tag" });
  return parsed.data;
}
