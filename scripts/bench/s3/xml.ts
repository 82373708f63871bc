/** S3's XML: the little of it that the bench's server says and hears. */
import type { Answer } from "./connection.ts";

export function xml(content: string, status = 200): Answer {
  const text = content === "" ? "" : `<?xml version="1.0" encoding="UTF-8"?>\n${content}`;
  return { status, headers: text === "" ? {} : { "content-type": "application/xml" }, body: { text }, fate: null };
}

export function failure(status: number, code: string): Answer {
  return xml(element("Error", element("Code", code) + element("Message", code)), status);
}

/** @param content already XML. */
export function element(name: string, content: string | number | boolean): string {
  return `<${name}>${content}</${name}>`;
}

export function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** Keys named by a DeleteObjects request. */
export function deletedKeys(body: string): string[] {
  return [...body.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key = ""]) =>
    key.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"').replaceAll("&apos;", "'").replaceAll("&amp;", "&"),
  );
}
