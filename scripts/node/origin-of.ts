/** Scheme, host and port of a URL. Asked several times for each request, so it is cut off, not parsed. */
const ORIGIN = /^[^:/?#]+:\/\/[^/?#]*/;

/** As it is written: equal texts are one origin, others may be one, too. Of what is no such URL, all of it. */
export function originOf(url: string): string {
  return ORIGIN.exec(url)?.[0] ?? url;
}
