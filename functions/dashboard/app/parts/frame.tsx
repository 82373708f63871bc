/** What stands around every page: the ways to all of them, who is here, language and theme. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { to } from "../core/address.ts";
import { route } from "../core/route.ts";
import { logOut, session } from "../core/session.ts";
import { THEMES, theme, wear } from "../core/theme.ts";
import { LANGUAGES, language, speak, t } from "../core/words.ts";
import { feedState } from "../live/news.ts";
import { NAVIGATION } from "../pages/navigation.ts";
import { Button } from "./basics.tsx";

export function Frame({ title, children }: { title: string; children: ComponentChildren }) {
  const main = useRef<HTMLElement>(null);
  const { parts } = route.value;
  const place = parts.join("/");
  const first = useRef(true);
  useEffect(() => {
    // Whoever listens hears where they are; the first page is announced by the browser.
    if (!first.current) main.current?.querySelector("h1")?.focus();
    first.current = false;
  }, [place]);
  useEffect(() => {
    document.title = `${title} · modelferry`;
  }, [title]);
  return (
    <>
      <button type="button" class="skip button" onClick={() => main.current?.focus()}>
        {t("skip")}
      </button>
      <header class="top">
        <a class="brand" href={to([])}>
          <img src="/console/icon.svg" alt="" width="24" height="24" /> modelferry
        </a>
        <Settings />
      </header>
      <div class="body">
        {session.value.is === "in" && <Ways here={parts[0] ?? ""} />}
        <main id="main" ref={main} tabIndex={-1}>
          {children}
        </main>
      </div>
    </>
  );
}

function Ways({ here }: { here: string }) {
  return (
    <nav class="ways" aria-label={t("navigation")}>
      {NAVIGATION.map(({ path, word }) => (
        <a key={path} href={to(path === "" ? [] : [path])} aria-current={here === path ? "page" : undefined}>
          {t(word)}
        </a>
      ))}
    </nav>
  );
}

function Settings() {
  const now = session.value;
  return (
    <div class="top-end">
      <select
        aria-label={t("language")}
        value={language.value}
        onChange={(event) => speak(event.currentTarget.value === "zh" ? "zh" : "en")}
      >
        {Object.entries(LANGUAGES).map(([one, name]) => (
          <option key={one} value={one}>
            {name}
          </option>
        ))}
      </select>
      <select aria-label={t("theme")} value={theme.value} onChange={(event) => wear(THEMES[event.currentTarget.selectedIndex] ?? "system")}>
        {THEMES.map((one) => (
          <option key={one} value={one}>
            {t(`theme.${one}`)}
          </option>
        ))}
      </select>
      {now.is === "in" && (
        <>
          <span class={`live ${feedState.value}`} title={t(`liveText.${feedState.value}`)}>
            {t(`live.${feedState.value}`)}
          </span>
          <span class="who" title={now.me.id}>
            {now.me.name}
          </span>
          <Button onClick={() => logOut()}>{t("logout")}</Button>
        </>
      )}
    </div>
  );
}
