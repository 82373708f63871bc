import { t } from "../core/words.ts";
import { Page } from "../parts/basics.tsx";

export default function Tokens() {
  return <Page title={t("nav.tokens")}>{null}</Page>;
}
