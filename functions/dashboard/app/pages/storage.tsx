import { t } from "../core/words.ts";
import { Page } from "../parts/basics.tsx";

export default function Storage() {
  return <Page title={t("nav.storage")}>{null}</Page>;
}
