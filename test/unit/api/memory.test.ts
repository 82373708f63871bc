/** The whole API on memory ports: what the suites on real systems ask is answered by the app itself. */
import { Trust } from "../../../functions/registry/trusts.ts";
import { apiSuite } from "../../suites/api/api.ts";
import { trustIn } from "../../suites/api/grounds.ts";
import { ENDPOINT, memoryApp } from "../../support/memory-app.ts";
import { startIssuer } from "../../support/oidc-issuer.ts";

apiSuite("memory ports", async () => {
  const issuer = await startIssuer();
  const app = await memoryApp({ ids: ["home", "west"], trusts: [Trust.parse(trustIn(issuer))] });
  app.stores.get("west").profile.reach = "agent";
  const { token } = await app.admin.call("createToken", {
    body: { name: "all", scopes: [{ repositories: "*", actions: ["pull", "push", "tag", "delete", "admin"] }] } as never,
  });
  return {
    endpoint: ENDPOINT,
    token,
    fetch: (url, init) => {
      app.clock.advance(1);
      return url.startsWith(ENDPOINT) ? app.fetch(url, init) : app.stores.fetch(url, init);
    },
    issuer,
    nowMs: () => app.clock.now(),
    close: issuer.stop,
  };
});
