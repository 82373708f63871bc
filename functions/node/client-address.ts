/**
 * Who is at the other end, on Node: the peer of the socket. Behind proxies that the settings name it is whom they say they were asked by:
 * the last address in X-Forwarded-For that is no such proxy. What stands before it, anybody can have written.
 */
import type { HttpBindings } from "@hono/node-server";
import { isAddress, isInNetwork } from "../../shared/networks.ts";
import type { EdgeContext } from "../http/edge.ts";

/** @param proxies networks whose word is believed; none: nobody's */
export function clientAddress(proxies: readonly string[]): (c: EdgeContext) => string | null {
  const isProxy = (address: string) => proxies.some((network) => isInNetwork(network, address));
  return (c) => {
    const { incoming } = c.env as unknown as HttpBindings;
    const peer = incoming.socket.remoteAddress ?? null;
    if (peer === null || !isProxy(peer)) return peer;
    const told = (c.req.header("x-forwarded-for") ?? "").split(",").map((text) => text.trim());
    let client = peer;
    for (const address of told.reverse()) {
      if (!isAddress(address)) return client;
      client = address;
      if (!isProxy(address)) return client;
    }
    return client;
  };
}
