/** The console begins here: what it looks like, who is logged in, and the page of the address. */

import type { ComponentType } from "preact";
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { followLocation, route } from "./core/route.ts";
import { resume, session } from "./core/session.ts";
import { showTheme } from "./core/theme.ts";
import { showLanguage, t } from "./core/words.ts";
import { followNews } from "./live/news.ts";
import { LogIn } from "./pages/login.tsx";
import type { PageProps } from "./pages/navigation.ts";
import { pageAt } from "./pages/navigation.ts";
import { Page, Problem } from "./parts/basics.tsx";
import { Frame } from "./parts/frame.tsx";

function Console() {
  const now = session.value;
  if (now.is === "asking") return <Frame title={t("login.title")}>{<p class="waiting">{t("waiting")}</p>}</Frame>;
  if (now.is === "out") {
    return (
      <Frame title={t("login.title")}>
        <LogIn problem={now.problem} />
      </Frame>
    );
  }
  const { parts, query } = route.value;
  const row = pageAt(parts);
  const title = parts.length > 1 && parts[0] === "repositories" ? parts.slice(1, 3).join("/") : t(row?.word ?? "lost.title");
  return (
    <Frame title={title}>
      {row === null ? <Lost /> : <Fetched key={`${row.path} ${now.me.id}`} load={row.load} parts={parts} query={query} />}
    </Frame>
  );
}

function Lost() {
  return (
    <Page title={t("lost.title")}>
      <p>{t("lost.text")}</p>
    </Page>
  );
}

type FetchedProps = PageProps & { load: () => Promise<{ default: ComponentType<PageProps> }> };

/** A page whose code comes when it is wanted. */
function Fetched({ load, parts, query }: FetchedProps) {
  const [found, setFound] = useState<{ Shown: ComponentType<PageProps> } | { problem: unknown } | null>(null);
  useEffect(() => {
    load().then(
      (module) => setFound({ Shown: module.default }),
      (problem: unknown) => setFound({ problem }),
    );
  }, [load]);
  if (found === null) return <p class="waiting">{t("waiting")}</p>;
  return "problem" in found ? <Problem problem={found.problem} /> : <found.Shown parts={parts} query={query} />;
}

showLanguage();
showTheme();
followLocation();
const root = document.getElementById("app");
if (root !== null) render(<Console />, root);
followNews();
void resume();
