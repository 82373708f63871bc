/** A person's browser at the app in memory: cookies that it keeps and sends, a login at the test's identity provider. */
import { redeemer } from "../../functions/identity/redeem.ts";
import { LoginProvider, type Redeemer } from "../../functions/registry/login-provider.ts";
import { ENDPOINT, type MemoryApp } from "./memory-app.ts";
import type { Issuer } from "./oidc-issuer.ts";

const REDIRECT = "https://ferry.test/auth/callback";
export const CLIENT = "modelferry";

/** @param clientSecret left out: a public client */
export function loginAt(issuer: Issuer, clientSecret: string | null = null, more: object = {}): Redeemer {
  const { issuer: name, jwksUrl, tokenUrl } = issuer;
  const authorizationUrl = `${name}/authorize`;
  const provider = LoginProvider.parse({
    issuer: name,
    jwksUrl,
    tokenUrl,
    authorizationUrl,
    clientId: CLIENT,
    redirectUrl: REDIRECT,
    ...more,
  });
  return redeemer(provider, clientSecret, { fetch: (url, init) => fetch(url, init) });
}

export class Browser {
  readonly cookies = new Map<string, string>();
  /** Of the last answer, as they came. */
  setCookies: string[] = [];
  readonly #app: MemoryApp;

  constructor(app: MemoryApp) {
    this.#app = app;
  }

  async ask(
    path: string,
    { method = "GET", headers = {}, body }: { method?: string; headers?: Record<string, string>; body?: unknown } = {},
  ): Promise<Response> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const type: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" };
    const sent = { ...(cookie === "" ? {} : { cookie }), ...type, ...headers };
    const init = { method, headers: sent, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const response = await this.#app.fetch(ENDPOINT + path, init);
    this.setCookies = response.headers.getSetCookie();
    for (const text of this.setCookies) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(text) ?? [];
      if (value === "" || /max-age=0/i.test(text)) this.cookies.delete(name);
      else this.cookies.set(name, decodeURIComponent(value));
    }
    return response;
  }

  /** With the header that a page of ours sends with writes. */
  write(path: string, method: string, body?: unknown): Promise<Response> {
    return this.ask(path, { method, body, headers: { "x-ferry-csrf": this.cookies.get("__Host-ferry-csrf") ?? "" } });
  }

  /** What the provider is asked for. */
  async begin(place?: string): Promise<URLSearchParams> {
    const response = await this.ask(`/auth/login${place === undefined ? "" : `?return=${encodeURIComponent(place)}`}`);
    return new URL(response.headers.get("location") ?? "http://none").searchParams;
  }
}

export type Login = { browser: Browser; app: MemoryApp; issuer: Issuer; claims: object; change?: object; secret?: string; place?: string };

/** All of a login; the answer to the callback. `change`: claims other than those of an honest provider. */
export async function logIn({ browser, app, issuer, claims, change = {}, secret, place }: Login): Promise<Response> {
  const asked = await browser.begin(place);
  const nowSeconds = Math.floor(app.clock.now() / 1000);
  const honest = { iss: issuer.issuer, aud: CLIENT, iat: nowSeconds, exp: nowSeconds + 300, nonce: asked.get("nonce") };
  const idToken = await issuer.sign({ ...honest, ...claims, ...change });
  const code = `code-${asked.get("state")}`;
  const grant = { idToken, challenge: asked.get("code_challenge") ?? "", redirectUrl: REDIRECT, clientId: CLIENT };
  issuer.giveCode(code, secret === undefined ? grant : { ...grant, clientSecret: secret });
  return browser.ask(`/auth/callback?${new URLSearchParams({ code, state: asked.get("state") ?? "" })}`);
}
