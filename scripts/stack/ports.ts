/** TCP ports of this machine, on the loopback address only. */
import { type AddressInfo, createServer } from "node:net";

const LOOPBACK = "127.0.0.1";

/** A port that nobody listens on now. Somebody else may take it before it is used, so starting on it may have to be tried again. */
export async function freePort(): Promise<number> {
  const port = await listenOnce(0);
  if (port === null) throw new Error("this machine has no free port");
  return port;
}

export async function isPortFree(port: number): Promise<boolean> {
  return (await listenOnce(port)) !== null;
}

/** The port that was listened on, or null when it is taken. */
async function listenOnce(port: number): Promise<number | null> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  server.once("error", (error: NodeJS.ErrnoException) =>
    error.code === "EADDRINUSE" || error.code === "EACCES" ? resolve(null) : reject(error),
  );
  server.listen(port, LOOPBACK, () => {
    const taken = (server.address() as AddressInfo).port;
    server.close(() => resolve(taken));
  });
  return promise;
}
