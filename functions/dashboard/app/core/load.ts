/** What a page waits for, as state of a component. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { FerryClient } from "../../../../shared/client.ts";
import { isEnded, logOut, session } from "./session.ts";

/** `data` stays while newer is on its way. */
export type Loading<T> = { data: T | null; problem: unknown; busy: boolean; reload: () => void };

type Work<T> = (client: FerryClient, signal: AbortSignal) => Promise<T>;

/** Runs `work` now and whenever `keys` change; what is not wanted any more is aborted. */
export function useLoad<T>(work: Work<T>, keys: readonly unknown[]): Loading<T> {
  const client = useClient();
  const [state, setState] = useState<Omit<Loading<T>, "reload">>({ data: null, problem: null, busy: true });
  const [round, setRound] = useState(0);
  useEffect(() => {
    const ending = new AbortController();
    const settle = (change: Partial<Loading<T>>) => {
      if (!ending.signal.aborted) setState((old) => ({ ...old, busy: false, ...change }));
    };
    setState((old) => ({ ...old, busy: true }));
    work(client, ending.signal).then(
      (data) => settle({ data, problem: null }),
      (problem: unknown) => (isEnded(problem) ? logOut(problem) : settle({ problem })),
    );
    return () => ending.abort(new DOMException("left", "AbortError"));
  }, [...keys, client, round]);
  return { ...state, reload: useCallback(() => setRound((count) => count + 1), []) };
}

/** Asks again every so often, as long as somebody can see the answer. */
export function useAgain(reload: () => void, everyMs: number): void {
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) reload();
    }, everyMs);
    return () => clearInterval(timer);
  }, [reload, everyMs]);
}

/** `run` starts it; one at a time. `problem` of the last one. */
export type Acting = { busy: boolean; problem: unknown; run: (work: (client: FerryClient) => Promise<void>) => void };

export function useAct(): Acting {
  const client = useClient();
  const [state, setState] = useState<{ busy: boolean; problem: unknown }>({ busy: false, problem: null });
  const running = useRef(false);
  const run = (work: (client: FerryClient) => Promise<void>) => {
    if (running.current) return;
    running.current = true;
    setState({ busy: true, problem: null });
    work(client)
      .then(
        () => setState({ busy: false, problem: null }),
        (problem: unknown) => (isEnded(problem) ? logOut(problem) : setState({ busy: false, problem })),
      )
      .finally(() => {
        running.current = false;
      });
  };
  return { ...state, run };
}

/** Of who is logged in; pages are shown to nobody else. */
export function useClient(): FerryClient {
  const now = session.value;
  if (now.is !== "in") throw new Error("nobody is logged in");
  return now.client;
}
