/** Which requests the environment sends through a proxy. */

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Whether a proxy may be meant for this URL. Only what NO_PROXY names outright (`*`, a host, a domain's hosts) counts as exempt: for
 * anything finer the transport that speaks with proxies decides itself.
 */
export function mayUseProxy(url: URL, env: Environment): boolean {
  if (url.protocol === "unix:") return false;
  const proxy = url.protocol === "https:" ? variable(env, "https_proxy") : variable(env, "http_proxy");
  if (proxy === "") return false;
  const host = url.hostname.toLowerCase();
  return !variable(env, "no_proxy")
    .split(/[\s,]+/)
    .some((entry) => entry === "*" || entry.toLowerCase() === host || (entry.startsWith(".") && host.endsWith(entry.toLowerCase())));
}

/** Lower case comes first, as everywhere. */
function variable(env: Environment, name: string): string {
  return env[name] ?? env[name.toUpperCase()] ?? "";
}
