/** The deployment, and how the console looks. */
import { useLoad } from "../core/load.ts";
import { THEMES, theme, wear } from "../core/theme.ts";
import { LANGUAGES, type Language, language, speak, t } from "../core/words.ts";
import { Facts, Loaded, Page, Section, Time } from "../parts/basics.tsx";
import { Choice, Snippet } from "../parts/forms.tsx";

export default function Settings() {
  const about = useLoad((client, signal) => client.call("about", {}, signal), []);
  return (
    <Page title={t("nav.settings")}>
      <Section title={t("settings.deployment")}>
        <Loaded of={about}>
          {({ version, time }) => (
            <Facts
              of={[
                [t("settings.endpoint"), location.origin],
                [t("settings.version"), version],
                [t("settings.time"), <Time key="time" at={time} />],
              ]}
            />
          )}
        </Loaded>
        <Snippet title="ferry" text={`ferry login ${location.origin}`} />
      </Section>
      <Section title={t("settings.look")}>
        <Choice
          label={t("language")}
          value={language.value}
          of={Object.entries(LANGUAGES).map(([one, name]) => [one as Language, name] as const)}
          onChange={speak}
        />
        <Choice label={t("theme")} value={theme.value} of={THEMES.map((one) => [one, t(`theme.${one}`)] as const)} onChange={wear} />
      </Section>
    </Page>
  );
}
