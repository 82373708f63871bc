/** Roles of people who log in by the identity provider: by who they are, or by a group they are in. */
import { useState } from "preact/hooks";
import { Role, type UserGrant, UserGrantRequest } from "../../../../shared/contract/people.ts";
import { useLoad } from "../core/load.ts";
import { operationId } from "../core/session.ts";
import { t } from "../core/words.ts";
import { Badge, type Column, Loaded, Section, Table, Time } from "../parts/basics.tsx";
import { Ask, Choice, Field } from "../parts/forms.tsx";

const CLAIMS = ["email", "groups", "sub"] as const;

export function People() {
  const list = useLoad((client, signal) => client.call("listUserGrants", {}, signal), []);
  return (
    <Section title={t("people")} actions={<Grant onDone={list.reload} />}>
      <p class="hint">{t("people.lead")}</p>
      <Loaded of={list}>
        {({ grants }) => (
          <Table caption={t("people")} columns={columnsOf(list.reload)} rows={grants} keyOf={({ id }) => id} empty={t("people.none")} />
        )}
      </Loaded>
    </Section>
  );
}

function columnsOf(reload: () => void): Column<UserGrant>[] {
  return [
    { title: t("people.value"), wide: true, cell: ({ claim, value }) => `${claim}: ${value}` },
    { title: t("people.role"), cell: ({ role }) => <Badge>{role}</Badge> },
    { title: t("tokens.repositories"), cell: ({ repositories }) => repositories },
    { title: t("createdBy"), cell: ({ createdBy }) => createdBy },
    { title: t("created"), cell: ({ createdAt }) => <Time at={createdAt} ago /> },
    {
      title: t("acts"),
      cell: ({ id, value }) => (
        <Ask
          open={t("delete")}
          title={t("people.delete.title", { name: value })}
          act={t("delete")}
          kind="danger"
          onAct={async (client) => {
            await client.call("revokeUserGrant", { params: { id }, query: { operationId: operationId() } });
          }}
          onDone={reload}
        >
          <p>{t("people.delete.text")}</p>
        </Ask>
      ),
    },
  ];
}

function Grant({ onDone }: { onDone: () => void }) {
  const [claim, setClaim] = useState<(typeof CLAIMS)[number]>("email");
  const [value, setValue] = useState("");
  const [role, setRole] = useState<Role>("reader");
  const [repositories, setRepositories] = useState("");
  return (
    <Ask
      open={t("people.grant")}
      title={t("people.grant")}
      act={t("save")}
      kind="main"
      onAct={async (client) => {
        const asked = UserGrantRequest.safeParse({
          claim,
          value: value.trim(),
          role,
          repositories: repositories.trim(),
          operationId: operationId(),
        });
        if (!asked.success) throw new Error(asked.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; "));
        await client.call("grantUser", { body: asked.data });
      }}
      onDone={onDone}
    >
      <Choice label={t("people.claim")} value={claim} of={CLAIMS.map((one) => [one, one] as const)} onChange={setClaim} />
      <Field label={t("people.value")} value={value} onInput={setValue} placeholder="ada@example.com" required />
      <Choice label={t("people.role")} value={role} of={Role.options.map((one) => [one, one] as const)} onChange={setRole} />
      <Field
        label={t("tokens.repositories")}
        value={repositories}
        onInput={setRepositories}
        hint={t("tokens.repositories.hint")}
        placeholder="team/*"
        required
      />
    </Ask>
  );
}
