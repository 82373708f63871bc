/**
 * What is alive in the heap of a JavaScript program, by its debugger: bytes after a collection of garbage. Resident memory tells something
 * else: a collector that has room lets garbage lie. Source: https://chromedevtools.github.io/devtools-protocol/v8/
 */
import * as z from "zod";

const TIMEOUT_MS = 60_000;

const Targets = z.array(z.object({ title: z.string(), webSocketDebuggerUrl: z.url() }));
/** Of the heap itself, of what it holds outside of it (buffers; in workerd the runtime's own objects). */
const HeapUsage = z.object({
  usedSize: z.number(),
  embedderHeapUsedSize: z.number().default(0),
  backingStorageSize: z.number().default(0),
});
const Said = z.object({ id: z.number(), result: z.unknown().optional(), error: z.object({ message: z.string() }).optional() });

/** @param title of the isolate, among those that the debugger on this port of the loopback has */
export async function livingBytes(port: number, title: RegExp): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}/json/list`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  const target = Targets.parse(await answer.json()).find((one) => title.test(one.title));
  if (target === undefined) throw new Error(`the debugger has no ${title}`);
  const socket = new WebSocket(target.webSocketDebuggerUrl);
  try {
    await heard(socket, "open");
    await ask(socket, 1, "HeapProfiler.enable");
    await ask(socket, 2, "HeapProfiler.collectGarbage");
    const { usedSize, embedderHeapUsedSize, backingStorageSize } = HeapUsage.parse(await ask(socket, 3, "Runtime.getHeapUsage"));
    return usedSize + embedderHeapUsedSize + backingStorageSize;
  } finally {
    socket.close();
  }
}

async function ask(socket: WebSocket, id: number, method: string): Promise<unknown> {
  socket.send(JSON.stringify({ id, method }));
  for (;;) {
    const said = Said.safeParse(JSON.parse(String((await heard(socket, "message")).data)));
    // Events have no id.
    if (!said.success || said.data.id !== id) continue;
    if (said.data.error !== undefined) throw new Error(`${method}: ${said.data.error.message}`);
    return said.data.result;
  }
}

function heard(socket: WebSocket, what: "open" | "message"): Promise<MessageEvent> {
  const { promise, resolve, reject } = Promise.withResolvers<MessageEvent>();
  const end = new AbortController();
  const fail = () => reject(new Error("the debugger does not answer"));
  const timer = setTimeout(fail, TIMEOUT_MS);
  socket.addEventListener(what, (event) => resolve(event as MessageEvent), { signal: end.signal });
  socket.addEventListener("close", fail, { signal: end.signal });
  return promise.finally(() => {
    clearTimeout(timer);
    end.abort();
  });
}
