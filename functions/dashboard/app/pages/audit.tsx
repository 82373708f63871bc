import { t } from "../core/words.ts";
import { Page } from "../parts/basics.tsx";

export default function Audit() {
  return <Page title={t("nav.audit")}>{null}</Page>;
}
