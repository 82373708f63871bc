/** This program's version; the bundle carries it along. */
import about from "../../package.json" with { type: "json" };

export const VERSION: string = about.version;
