/** What a row of the route table says. It imports no row, so that each file of rows may import it. */
import type * as z from "zod";
import type { Action } from "./access.ts";

export type RouteSpec = {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly summary: string;
  /**
   * The action that the caller's token must allow on the repository of the path, or without one anywhere it says so.
   * "token": any valid token; the use case looks closer. "public": nobody is asked.
   */
  readonly needs: Action | "token" | "public";
  /** The deployment's own: the token's scope must cover `*`. */
  readonly deployment?: true;
  /** The use case finds the repository of the path itself: it may not be there yet, or any more. */
  readonly unresolved?: true;
  /** Gives a signed request for each of the body's `chunks`, at the store that the body names, or home. */
  readonly signs?: true;
  readonly status: 200 | 201 | 204;
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  readonly answer: z.ZodType;
};
