import { t } from "../core/words.ts";
import { Page } from "../parts/basics.tsx";

export default function Overview() {
  return <Page title={t("nav.overview")}>{null}</Page>;
}
