/** Systems that the suite of the API runs on: the app in workerd or on Node, real Redis, local R2 or a real Ceph as home. */
import { startCeph, whyNoCeph } from "../../support/ceph.ts";
import { startLive } from "../../support/live.ts";
import { type Issuer, startIssuer } from "../../support/oidc-issuer.ts";
import type { TestStackOptions } from "../../support/stack.ts";
import { whyNoRedis } from "../../support/stack.ts";
import type { OpenGround } from "./api.ts";

type Runtime = TestStackOptions["runtime"];

const LIMITS = { requestsPerMinute: 1_000_000, urlsPerMinute: 1_000_000, failuresPerMinute: 10_000 };

export async function onLocalR2(runtime: Runtime): Promise<OpenGround | { reason: string }> {
  const why = whyNoRedis();
  return why === false
    ? openGround(
        runtime,
        (local) => local,
        async () => {},
      )
    : { reason: why };
}

/** What a deployment is told of the suite's issuer. */
export function trustIn({ issuer, jwksUrl }: Issuer) {
  return {
    name: "pods",
    issuer,
    jwksUrl,
    audience: "modelferry",
    claims: { sub: "runner" },
    grants: { scopes: [{ repositories: "api/*", actions: ["pull", "push"] }] },
  };
}

/** Ceph is home, local R2 is `west`. */
export async function onCeph(runtime: Runtime): Promise<OpenGround | { reason: string }> {
  const why = whyNoRedis() || whyNoCeph();
  if (why !== false) return { reason: why };
  const ceph = await startCeph();
  if ("reason" in ceph) return ceph;
  const home = await ceph.makeStore("home");
  return openGround(runtime, ([, ...others]) => [home, ...others], ceph.stop);
}

async function openGround(
  runtime: Runtime,
  stores: NonNullable<TestStackOptions["stores"]>,
  stopStore: () => Promise<void>,
): Promise<OpenGround> {
  const issuer = await startIssuer();
  const stops = [issuer.stop, stopStore];
  const close = async () => {
    for (const stop of stops) await stop();
  };
  try {
    const live = await startLive({
      runtime,
      // Nothing is copied there behind the suite's back: only executors fill it.
      stores: (local) => stores(local).map((store) => (store.id === "west" ? { ...store, reach: "agent" } : store)),
      vars: { IDENTITY_ISSUERS: JSON.stringify([trustIn(issuer)]), LIMITS: JSON.stringify(LIMITS) },
    });
    stops.unshift(live.stop);
    return { endpoint: live.stack.endpoint, token: live.stack.token, fetch, issuer, nowMs: Date.now, close };
  } catch (error) {
    await close();
    throw error;
  }
}
