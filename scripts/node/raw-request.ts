/** The head of a request, as text of one character a byte. */
import { FerryError } from "../../shared/errors.ts";

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VALUE = /^[\t\x20-\x7e]*$/;

/**
 * Headers and URL come from the registry: what could end a line and begin another request is refused. Throws TRANSFER_REFUSED without
 * naming the value, which may be a signature.
 */
export function requestHead(method: string, url: string, headers: Readonly<Record<string, string>>): string {
  const { protocol, host, pathname, search } = new URL(url);
  // A socket of the file system has no name.
  const named = protocol === "unix:" ? "localhost" : host;
  const lines = [`${method} ${pathname}${search} HTTP/1.1`, `host: ${named}`, "connection: keep-alive"];
  if (!NAME.test(method)) throw malformed("its method");
  for (const [name, value] of Object.entries(headers)) {
    if (!NAME.test(name) || !VALUE.test(value)) throw malformed("a header");
    if (name.toLowerCase() !== "host" && name.toLowerCase() !== "connection") lines.push(`${name}: ${value}`);
  }
  return `${lines.join("\r\n")}\r\n\r\n`;
}

function malformed(what: string): FerryError {
  return new FerryError("TRANSFER_REFUSED", { what: "a request of the registry's ticket", problem: `${what} is malformed` });
}
