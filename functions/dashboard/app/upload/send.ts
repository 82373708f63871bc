/** One chunk on its way to a store. XMLHttpRequest, for fetch does not tell how far a body has gone. */
import type { MoveOptions, StoreAnswer } from "../../../../shared/transfer/ports.ts";

/** A connection on which nothing moves for so long is given up. */
const STALL_MS = 30_000;

export function sendBlob(
  request: { method: string; url: string; headers: Record<string, string> },
  body: Blob,
  { signal, onBytes }: MoveOptions,
): Promise<StoreAnswer> {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    let sent = 0;
    let timer = 0;
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(() => end({ kind: "broken", problem: "no byte moved", stalledSeconds: STALL_MS / 1000 }), STALL_MS);
    };
    const stop = () => {
      leave();
      reject(signal.reason);
    };
    const leave = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      xhr.abort();
    };
    const end = (answer: StoreAnswer) => {
      leave();
      resolve(answer);
    };
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    xhr.upload.addEventListener("progress", ({ loaded }) => {
      alive();
      onBytes(loaded - sent);
      sent = loaded;
    });
    xhr.addEventListener("load", () => end(answerOf(xhr)));
    // Why, a browser does not say: no network, or a store without CORS rules for browsers.
    xhr.addEventListener("error", () => end({ kind: "broken", problem: "the store can't be reached from this browser" }));
    xhr.open(request.method, request.url);
    for (const [name, value] of Object.entries(request.headers)) xhr.setRequestHeader(name, value);
    alive();
    xhr.send(body);
  });
}

function answerOf(xhr: XMLHttpRequest): StoreAnswer {
  const [, code = ""] = /<Code>([A-Za-z0-9]{1,64})<\/Code>/.exec(xhr.responseText) ?? [];
  return { kind: "answered", status: xhr.status, code, retryAfterSeconds: 0 };
}
