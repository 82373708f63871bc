/** XML as S3 writes and reads it, by the library of the AWS SDK: no entity of a document's own is ever expanded. */
import { parseXML, XmlNode } from "@aws-sdk/xml-builder";
import * as z from "zod";
import { S3Refusal } from "../../functions/doors/s3/refusals.ts";

const NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/";
/** What XML 1.0 has no way to write. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is left out.
const UNWRITABLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;

export type XmlContent = string | number | boolean | readonly XmlNode[];

/** `content`: a text, or elements. */
export function element(name: string, content: XmlContent): XmlNode {
  if (Array.isArray(content)) return new XmlNode(name, [...content]);
  return XmlNode.of(name, String(content).replace(UNWRITABLE, "\ufffd"));
}

/** Elements for what is there. */
export function elements(fields: Readonly<Record<string, XmlContent | undefined>>): XmlNode[] {
  return Object.entries(fields).flatMap(([name, content]) => (content === undefined ? [] : [element(name, content)]));
}

export const XML_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n';

export function document(name: string, content: readonly XmlNode[]): string {
  return element(name, content).addAttribute("xmlns", NAMESPACE).toString();
}

/** Errors have no namespace. */
export function errorDocument(fields: Readonly<Record<string, string>>): string {
  return element("Error", elements(fields)).toString();
}

/** One or several elements of a name are a list. */
function list<T extends z.ZodType>(item: T) {
  return z.union([z.array(item), item.transform((one) => [one])]).default([]);
}

const Text = z.string();
const DeleteRequest = z.object({ Delete: z.object({ Quiet: Text.default("false"), Object: list(z.object({ Key: Text })) }) });
const CompleteRequest = z.object({
  CompleteMultipartUpload: z.object({ Part: list(z.object({ PartNumber: Text.regex(/^\d{1,5}$/), ETag: Text })) }),
});

export function parseDelete(text: string): { keys: string[]; isQuiet: boolean } {
  const { Delete: asked } = parsed(DeleteRequest, text);
  return { keys: asked.Object.map(({ Key }) => Key), isQuiet: asked.Quiet === "true" };
}

export function parseComplete(text: string): { number: number; etag: string }[] {
  const parts = parsed(CompleteRequest, text).CompleteMultipartUpload.Part;
  return parts.map(({ PartNumber, ETag }) => ({ number: Number(PartNumber), etag: ETag.replace(/^"|"$/g, "") }));
}

/** Throws S3Refusal. */
function parsed<T>(schema: z.ZodType<T>, text: string): T {
  try {
    return schema.parse(parseXML(text));
  } catch (cause) {
    throw new S3Refusal("MalformedXML", "the XML is not what was expected", { cause });
  }
}
