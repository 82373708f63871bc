/** Uploads from the browser: a folder is dropped or chosen, and becomes a revision. */
import { t } from "../core/words.ts";
import { Page } from "../parts/basics.tsx";
import type { PageProps } from "./navigation.ts";

export default function Upload(_: PageProps) {
  return <Page title={t("nav.upload")}>{null}</Page>;
}
