/** Tokens: who holds which rights; a new one, whose secret is shown once; the end of one. */
import { useState } from "preact/hooks";
import { Action, type Scope, type TokenDescription, TokenRequest } from "../../../../shared/contract/access.ts";
import { useLoad } from "../core/load.ts";
import { session } from "../core/session.ts";
import { isAdmin } from "../core/usage.ts";
import { t } from "../core/words.ts";
import { useNews } from "../live/news.ts";
import { Badge, type Column, Facts, Loaded, Notice, Page, Section, Table, Time } from "../parts/basics.tsx";
import { Ask, Check, Choice, Field, Snippet } from "../parts/forms.tsx";
import { People } from "./people.tsx";

export default function Tokens() {
  const now = session.value;
  const [secret, setSecret] = useState<string | null>(null);
  const [round, setRound] = useState(0);
  if (now.is !== "in") return null;
  const made = (token: string) => {
    setSecret(token);
    setRound(round + 1);
  };
  return (
    <Page title={t("nav.tokens")} actions={<Create onMade={made} />}>
      {secret !== null && (
        <Notice kind="good">
          <p>{t("tokens.once")}</p>
          <Snippet title={t("login.token")} text={secret} />
        </Notice>
      )}
      <Section title={t("tokens.mine")}>
        <Facts
          of={[
            [t("name"), now.me.name],
            [t("id"), now.me.id],
            [t("tokens.kind"), now.me.kind],
            [t("tokens.scopes"), now.me.scopes.map(scopeText).join("; ")],
            [t("tokens.expiresAt"), <Time key="expires" at={now.me.expiresAt} />],
          ]}
        />
      </Section>
      {isAdmin(now.me) && <All key={round} />}
      {isAdmin(now.me) && <People />}
    </Page>
  );
}

function scopeText({ repositories, actions, stores }: Scope): string {
  return `${repositories}: ${actions.join(", ")}${stores === undefined ? "" : ` @ ${stores.join(", ")}`}`;
}

function All() {
  const [text, setText] = useState("");
  const list = useLoad((client, signal) => client.call("listTokens", {}, signal), []);
  useNews(["token."], list.reload);
  return (
    <Section title={t("tokens.all")}>
      <Field label={t("tokens.find")} type="search" value={text} onInput={setText} />
      <Loaded of={list}>
        {({ tokens }) => {
          const found = tokens.filter(({ name, id }) => `${name} ${id}`.toLowerCase().includes(text.toLowerCase()));
          return (
            <Table caption={t("tokens.all")} columns={columnsOf(list.reload)} rows={found.slice(0, SHOWN_MAX)} keyOf={({ id }) => id} />
          );
        }}
      </Loaded>
    </Section>
  );
}

const SHOWN_MAX = 200;

function columnsOf(reload: () => void): Column<TokenDescription>[] {
  return [
    {
      title: t("name"),
      wide: true,
      cell: ({ name, id, revokedAt }) => (
        <>
          {name} <code>{id}</code> {revokedAt !== null && <Badge kind="bad">{t("tokens.revoked")}</Badge>}
        </>
      ),
    },
    { title: t("tokens.kind"), cell: ({ kind }) => t(`tokens.kind.${kind}`) },
    { title: t("tokens.scopes"), cell: ({ scopes }) => scopes.map(scopeText).join("; ") },
    { title: t("createdBy"), cell: ({ createdBy }) => createdBy },
    { title: t("tokens.lastUsedAt"), cell: ({ lastUsedAt }) => <Time at={lastUsedAt} ago /> },
    { title: t("tokens.expiresAt"), cell: ({ expiresAt }) => <Time at={expiresAt} ago /> },
    {
      title: t("acts"),
      cell: ({ id, name, revokedAt }) =>
        revokedAt === null && (
          <Ask
            open={t("tokens.revoke")}
            title={t("tokens.revoke.title", { name })}
            act={t("tokens.revoke")}
            kind="danger"
            onAct={async (client) => {
              await client.call("revokeToken", { params: { id } });
            }}
            onDone={reload}
          >
            <p>{t("tokens.revoke.text")}</p>
          </Ask>
        ),
    },
  ];
}

function Create({ onMade }: { onMade: (token: string) => void }) {
  const [name, setName] = useState("");
  const [kind, setKind] = useState<"person" | "robot">("robot");
  const [repositories, setRepositories] = useState("");
  const [actions, setActions] = useState<readonly Action[]>(["pull"]);
  const [days, setDays] = useState("90");
  const toggle = (action: Action, on: boolean) => setActions(Action.options.filter((one) => (one === action ? on : actions.includes(one))));
  return (
    <Ask
      open={t("tokens.create")}
      title={t("tokens.create")}
      act={t("create")}
      kind="main"
      onAct={async (client) => {
        const expiry = days.trim() === "" ? {} : { expiresInSeconds: Math.round(Number(days) * 86_400) };
        const asked = TokenRequest.safeParse({ name, kind, scopes: [{ repositories, actions }], ...expiry });
        if (!asked.success) throw new Error(asked.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; "));
        onMade((await client.call("createToken", { body: asked.data })).token);
      }}
      onDone={() => {}}
    >
      <Field label={t("name")} value={name} onInput={setName} required autoFocus />
      <Choice
        label={t("tokens.kind")}
        value={kind}
        of={[
          ["robot", t("tokens.kind.robot")],
          ["person", t("tokens.kind.person")],
        ]}
        onChange={setKind}
      />
      <Field
        label={t("tokens.repositories")}
        value={repositories}
        onInput={setRepositories}
        hint={t("tokens.repositories.hint")}
        placeholder="team/*"
        required
      />
      <fieldset>
        <legend>{t("tokens.actions")}</legend>
        {Action.options.map((action) => (
          <Check key={action} label={t(`tokens.action.${action}`)} value={actions.includes(action)} onChange={(on) => toggle(action, on)} />
        ))}
      </fieldset>
      <Field label={t("tokens.days")} value={days} onInput={setDays} hint={t("tokens.days.hint")} />
    </Ask>
  );
}
