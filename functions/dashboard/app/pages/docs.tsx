import { t } from "../core/words.ts";
import { Page } from "../parts/basics.tsx";

export default function Docs() {
  return <Page title={t("nav.docs")}>{null}</Page>;
}
