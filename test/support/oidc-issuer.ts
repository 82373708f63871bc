/** An issuer of identity tokens on loopback: keys at an address, tokens of any kind, keys that rotate, and an end to it all. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { CompactSign, type CryptoKey, exportJWK, generateKeyPair, type JWK } from "jose";

export type SignOptions = {
  /** Of the key that signs; default the newest. */
  kid?: string;
  alg?: string;
  header?: Record<string, unknown>;
};

export type Issuer = {
  /** As tokens say it. */
  issuer: string;
  jwksUrl: string;
  /** How often its keys were asked for. */
  asked: () => number;
  /** @param claims an object, or the text of one that JSON.stringify would not make */
  sign(claims: object | string, options?: SignOptions): Promise<string>;
  /** Makes a key; `published`: whether others can see it. */
  addKey(kid: string, options?: { alg?: string; published?: boolean }): Promise<void>;
  dropKey(kid: string): void;
  publicJwk(kid: string): JWK;
  /** Where codes of logins are taken. */
  tokenUrl: string;
  /** A code that is good once, for whoever knows what the challenge was made from. */
  giveCode(code: string, grant: { idToken: string; challenge: string; redirectUrl: string; clientId: string; clientSecret?: string }): void;
  /** What is answered instead of keys; null: keys again. */
  answerWith(answer: { status: number; body: string } | null): void;
  stop(): Promise<void>;
};

export async function startIssuer(): Promise<Issuer> {
  const keys = new Map<string, { alg: string; privateKey: CryptoKey; jwk: JWK; published: boolean }>();
  let asked = 0;
  let other: { status: number; body: string } | null = null;
  const codes = new Map<string, Parameters<Issuer["giveCode"]>[1]>();
  const server = createServer(async (request, response) => {
    if (request.url === "/token" && other === null) return redeem(codes, request, response);
    asked++;
    const published = [...keys.values()].filter((key) => key.published).map(({ jwk }) => jwk);
    response.writeHead(other?.status ?? 200, { "content-type": "application/json" });
    response.end(other?.body ?? JSON.stringify({ keys: published }));
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the issuer has no port");
  const issuer = `http://127.0.0.1:${address.port}`;
  const self: Issuer = {
    issuer,
    jwksUrl: `${issuer}/jwks`,
    tokenUrl: `${issuer}/token`,
    giveCode: (code, grant) => void codes.set(code, grant),
    asked: () => asked,
    async addKey(kid, { alg = "ES256", published = true } = {}) {
      const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
      keys.set(kid, { alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: "sig" }, published });
    },
    dropKey: (kid) => void keys.delete(kid),
    publicJwk: (kid) => keys.get(kid)?.jwk ?? {},
    answerWith(answer) {
      other = answer;
    },
    async sign(claims, { kid = [...keys.keys()].at(-1) ?? "", alg, header = {} } = {}) {
      const key = keys.get(kid);
      if (key === undefined) throw new RangeError(`there is no key ${kid}`);
      const text = typeof claims === "string" ? claims : JSON.stringify(claims);
      return new CompactSign(new TextEncoder().encode(text))
        .setProtectedHeader({ alg: alg ?? key.alg, kid, ...header })
        .sign(key.privateKey);
    },
    stop: () =>
      new Promise((stopped) => {
        server.close(() => stopped());
        server.closeAllConnections();
      }),
  };
  await self.addKey("first");
  return self;
}

/** RFC 6749 §4.1.3 and RFC 7636 §4.6. */
async function redeem(
  codes: Map<string, Parameters<Issuer["giveCode"]>[1]>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  let text = "";
  for await (const piece of request) text += String(piece);
  const form = Object.fromEntries(new URLSearchParams(text));
  const grant = codes.get(form["code"] ?? "");
  codes.delete(form["code"] ?? "");
  const challenge = createHash("sha256")
    .update(form["code_verifier"] ?? "")
    .digest("base64url");
  const isGood =
    grant !== undefined &&
    request.method === "POST" &&
    form["grant_type"] === "authorization_code" &&
    challenge === grant.challenge &&
    form["redirect_uri"] === grant.redirectUrl &&
    form["client_id"] === grant.clientId &&
    form["client_secret"] === grant.clientSecret;
  response.writeHead(isGood ? 200 : 400, { "content-type": "application/json" });
  response.end(
    JSON.stringify(isGood ? { id_token: grant.idToken, access_token: "unused", token_type: "Bearer" } : { error: "invalid_grant" }),
  );
}
