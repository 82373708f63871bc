/**
 * The typed client of API v1. A call is built from its row in the route table and its answer parsed by it, so an older client meets a
 * newer server with a clear error instead of a wrong value. `fetch` is injected. Every act carries an operation id made by the caller,
 * so a repeated call is the same act, and calls are repeated here when that may help.
 */
import { Problem, repositoryParams } from "./contract/problem.ts";
import type { RouteAnswer, RouteBodyIn, RouteName, RouteQueryIn, RouteSpec, Routes } from "./contract/routes.ts";
import { READ_ROUTES, SEND_ROUTES } from "./contract/transfer-routes.ts";
import { type ErrorCode, type ErrorDetails, FerryError, isErrorCode, problemOf } from "./errors.ts";
import type { RepositoryName, StoreId } from "./names.ts";

/** What of fetch's options a call needs, and what of its Response is read: other ways to ask need not do more. */
export type Call = { method: string; headers: Record<string, string>; redirect: "error"; signal: AbortSignal; body?: string };
export type Answered = Pick<Response, "ok" | "status" | "text"> & { headers: Pick<Headers, "get"> };

export type ClientOptions = {
  endpoint: string;
  token?: string | undefined;
  fetch: (url: string, call: Call) => Promise<Answered>;
  /** Waits; rejects when the signal fires. */
  sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** 0 to 1. */
  random: () => number;
  /** Tries of one call in all. */
  attempts?: number;
  /** The same once the deployment has answered anything: it is there, and may come back. */
  attemptsLater?: number;
  timeoutMs?: number;
  userAgent?: string;
  /** A network's name: content is read from a store beside it that has it whole. */
  near?: StoreId | undefined;
  /** A token in place of one that ended; asked for once for each. */
  renew?: () => Promise<string>;
};

type Input<R> = (R extends { path: `${string}:name${string}` } ? { repository: RepositoryName } : unknown) &
  (R extends { params: unknown } ? { params: Record<string, string> } : unknown) &
  (R extends { query: unknown } ? { query?: RouteQueryIn<R> } : unknown) &
  (R extends { body: unknown } ? { body: RouteBodyIn<R> } : unknown);

const SOON = { ...READ_ROUTES, ...SEND_ROUTES };
const HEADER_TEXT = /^[\x21-\x7e]+$/;
/** Of an answer for which it pays to compile its schema first. */
const COMPILED_LENGTH_MIN = 65_536;
const BACKOFF_BASE_MS = 200;
const BACKOFF_MAX_MS = 10_000;
const RETRY_AFTER_SECONDS_MAX = 60;

export class FerryClient {
  readonly endpoint: string;
  readonly near: StoreId | undefined;
  readonly #options: ClientOptions;
  #token: string | undefined;
  #renewal: Promise<void> | null = null;
  #hasAnswered = false;

  constructor(options: ClientOptions) {
    this.#token = options.token;
    this.near = options.near;
    this.endpoint = options.endpoint.replace(/\/+$/, "");
    this.#options = options;
  }

  /**
   * Calls a route by name. Throws FerryError with the server's code, or ENDPOINT_UNREACHABLE, ANSWER_INVALID.
   * @param final what the caller does not wait for, although it may pass.
   */
  async call<N extends RouteName>(
    name: N,
    input: Input<Routes[N]>,
    signal?: AbortSignal,
    final?: ErrorCode,
  ): Promise<RouteAnswer<Routes[N]>> {
    const route = await routeOf(name);
    const given = input as { repository?: RepositoryName; params?: Record<string, string>; query?: object; body?: unknown };
    const url = this.#url(route, given);
    let renewed = this.#options.renew === undefined;
    for (let attempt = 1; ; attempt++) {
      const token = this.#token;
      try {
        return (await this.#once(route, url, given.body, signal)) as RouteAnswer<Routes[N]>;
      } catch (error) {
        if (!renewed && isEnded(error)) {
          renewed = true;
          await this.#renew(token);
          continue;
        }
        const last = attempt >= this.#attempts;
        if (last || signal?.aborted || !(error instanceof FerryError) || !error.retryable || error.code === final) throw error;
        await this.#options.sleep(this.#backoffMs(attempt, error), signal);
      }
    }
  }

  get #attempts(): number {
    const { attempts = 5, attemptsLater = attempts } = this.#options;
    return this.#hasAnswered ? attemptsLater : attempts;
  }

  /** Those who find the same token ended share one renewal. */
  async #renew(ended: string | undefined): Promise<void> {
    if (this.#token !== ended) return;
    this.#renewal ??= (async () => {
      this.#token = (await this.#options.renew?.()) ?? ended;
    })().finally(() => {
      this.#renewal = null;
    });
    await this.#renewal;
  }

  async #once(route: RouteSpec, url: string, body: unknown, signal?: AbortSignal): Promise<unknown> {
    const response = await this.#send(route, url, body, signal);
    const text = await response.text().catch((cause: unknown) => {
      throw this.#unreachable(cause, signal);
    });
    if (!response.ok) throw this.#problem(response, text);
    this.#hasAnswered = true;
    if (route.status === 204) return null;
    const parsed = route.answer.safeParse(parseJson(text), { jitless: text.length < COMPILED_LENGTH_MIN });
    if (!parsed.success) throw this.#invalid(`the answer to ${route.method} ${route.path} has another form`);
    return parsed.data;
  }

  async #send(route: RouteSpec, url: string, body: unknown, signal?: AbortSignal): Promise<Answered> {
    const { userAgent, timeoutMs = 120_000 } = this.#options;
    const token = this.#token;
    // Such a token can't be right, and fetch would tell all of it in its complaint.
    if (token !== undefined && !HEADER_TEXT.test(token)) throw new FerryError("TOKEN_INVALID");
    const headers: Record<string, string> = { accept: "application/json" };
    if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
    if (userAgent !== undefined) headers["user-agent"] = userAgent;
    if (body !== undefined) headers["content-type"] = "application/json";
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      return await this.#options.fetch(url, {
        method: route.method,
        headers,
        redirect: "error",
        signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (cause) {
      throw this.#unreachable(cause, signal);
    }
  }

  /** What to throw when there is no whole answer; the caller's own reason when it was the caller who ended it. */
  #unreachable(cause: unknown, signal: AbortSignal | undefined): unknown {
    if (signal?.aborted) return signal.reason;
    return new FerryError("ENDPOINT_UNREACHABLE", { endpoint: this.endpoint, problem: reachProblem(cause) }, { cause });
  }

  #problem(response: Answered, text: string): FerryError {
    const parsed = Problem.safeParse(parseJson(text));
    if (parsed.success && isErrorCode(parsed.data.code))
      return withRetryAfter(new FerryError(parsed.data.code, { ...parsed.data.details, requestId: parsed.data.requestId }), response);
    const told = parsed.success ? `: ${parsed.data.detail.slice(0, 300)}` : "";
    return withRetryAfter(this.#foreign(response.status, `status ${response.status}${told}`), response);
  }

  /** Spoken by something on the way, or by a server that is newer than this client: only what may pass is worth another try. */
  #foreign(status: number, problem: string): FerryError {
    if (status === 429) return new FerryError("RATE_LIMITED", { what: "requests" });
    return status >= 500 ? new FerryError("ENDPOINT_UNREACHABLE", { endpoint: this.endpoint, problem }) : this.#invalid(problem);
  }

  #invalid(problem: string): FerryError {
    return new FerryError("ANSWER_INVALID", { endpoint: this.endpoint, problem });
  }

  #url(route: RouteSpec, given: { repository?: RepositoryName; params?: Record<string, string>; query?: object }): string {
    const values: Record<string, string> = { ...given.params, ...(given.repository ? repositoryParams(given.repository) : {}) };
    const path = route.path.replace(/:(\w+)/g, (_, name: string) => pathPart(name, values[name] ?? ""));
    const query = new URLSearchParams();
    for (const [key, value] of Object.entries(given.query ?? {})) if (value !== undefined) query.set(key, String(value));
    const text = query.toString();
    return `${this.endpoint}${path}${text === "" ? "" : `?${text}`}`;
  }

  /** Full jitter; never sooner than the server asked, up to a minute. */
  #backoffMs(attempt: number, error: FerryError): number {
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** attempt);
    return Math.max(this.#options.random() * ceiling, retryAfterMs(error.details));
  }
}

/** The rest of the contract is read when it is first called: making all its schemas takes longer than a small pull waits for its answers. */
async function routeOf(name: RouteName): Promise<RouteSpec> {
  const soon: Partial<Record<RouteName, RouteSpec>> = SOON;
  return soon[name] ?? (await import("./contract/routes.ts")).ROUTES[name];
}

function isEnded(error: unknown): boolean {
  return error instanceof FerryError && error.code === "TOKEN_INVALID";
}

/** URL parsers resolve dots, encoded or not: they would make it the path of another route. */
function pathPart(name: string, value: string): string {
  if (value === "" || value === "." || value === ".." || !value.isWellFormed())
    throw new FerryError("REQUEST_INVALID", { problem: `path.${name}: '${value}'` });
  return encodeURIComponent(value);
}

function withRetryAfter(error: FerryError, response: Answered): FerryError {
  const seconds = Number(response.headers.get("retry-after"));
  return Number.isFinite(seconds) && seconds > 0 ? new FerryError(error.code, { ...error.details, retryAfterSeconds: seconds }) : error;
}

function retryAfterMs(details: ErrorDetails): number {
  const seconds = details["retryAfterSeconds"];
  return typeof seconds === "number" ? Math.min(seconds, RETRY_AFTER_SECONDS_MAX) * 1000 : 0;
}

/** fetch hides the reason ("fetch failed") in its cause. */
function reachProblem(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  // A timeout's code is a number of the DOM.
  return cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : problemOf(cause);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
