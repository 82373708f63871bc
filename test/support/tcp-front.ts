/** A TCP proxy in front of a Redis that shows each write of its client, and can lose it or its answer. */
import { createConnection, createServer, type Socket } from "node:net";

/** `pass`: on to the target. `drop`: the target never sees it, and the connection breaks. `lose`: the target does it, the answer is lost. */
export type TcpVerdict = "pass" | "drop" | "lose";

export type TcpFront = {
  port: number;
  /** Where connections made from now on go. */
  targetPort: number;
  rule: () => TcpVerdict | Promise<TcpVerdict>;
  stop(): Promise<void>;
};

export async function startTcpFront(): Promise<TcpFront> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const target = createConnection(front.targetPort, "127.0.0.1");
    for (const socket of [client, target]) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy()).on("close", () => sockets.delete(socket));
    }
    target.pipe(client);
    target.on("close", () => client.destroy());
    pump(front, client, target).catch(() => client.destroy());
  });
  const front: TcpFront = {
    port: 0,
    targetPort: 0,
    rule: () => "pass",
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  front.port = address.port;
  return front;
}

/** One write after another, in their order. */
async function pump(front: TcpFront, client: Socket, target: Socket): Promise<void> {
  for await (const bytes of client as AsyncIterable<Buffer>) {
    const verdict = await front.rule();
    if (verdict === "drop") break;
    if (verdict === "lose") {
      target.unpipe(client);
      client.destroy();
      target.end(bytes);
      return;
    }
    target.write(bytes);
  }
  client.destroy();
  target.destroy();
}
