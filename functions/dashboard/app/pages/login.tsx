/** The log-in: by the identity provider, where there is one, or a token is pasted, which stays in this tab. */
import { useState } from "preact/hooks";
import { hasProvider, logIn } from "../core/session.ts";
import { t } from "../core/words.ts";
import { Button, Page, Problem } from "../parts/basics.tsx";
import { Field, Form } from "../parts/forms.tsx";

export function LogIn({ problem }: { problem: unknown }) {
  const [token, setToken] = useState("");
  const [busy, setBusy] = useState(false);
  const send = () => {
    setBusy(true);
    void logIn(token.trim()).finally(() => setBusy(false));
  };
  return (
    <div class="login">
      <Page title={t("login.title")} lead={t("login.lead")}>
        {hasProvider() && (
          <p>
            <a class="button main" href="/auth/login?return=/">
              {t("login.provider")}
            </a>
          </p>
        )}
        <Form onSend={send}>
          <Field label={t("login.token")} type="password" value={token} onInput={setToken} hint={t("login.hint")} required autoFocus />
          <Problem problem={problem} />
          <Button type="submit" kind="main" busy={busy}>
            {t("login.act")}
          </Button>
        </Form>
      </Page>
    </div>
  );
}
