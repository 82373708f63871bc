/** What to answer when nothing is mounted at a path, or not for this method. */
import { FerryError } from "../../shared/errors.ts";

const PATH_TOLD_MAX = 200;

/** @param routes those that are mounted; middleware ("ALL") is none. */
export function unknownRoute(routes: readonly { method: string; path: string }[], method: string, path: string): FerryError {
  const here = routes.filter((route) => route.method !== "ALL" && patternOf(route.path).test(path)).map((route) => route.method);
  const told = { method: method.slice(0, 20), path: path.slice(0, PATH_TOLD_MAX) };
  if (here.length === 0) return new FerryError("ROUTE_UNKNOWN", told);
  const allow = [...new Set(here.includes("GET") ? [...here, "HEAD"] : here)].sort();
  return new FerryError("METHOD_NOT_ALLOWED", { ...told, allow });
}

function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replace(/[.]/g, "\\.").replace(/:\w+/g, "[^/]+")}$`);
}
