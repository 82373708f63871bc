import { t } from "../core/words.ts";
import { Page } from "../parts/basics.tsx";

export default function Settings() {
  return <Page title={t("nav.settings")}>{null}</Page>;
}
