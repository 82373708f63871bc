/** So much at once, live pulls before warm-ups. Whoever has passed waits for nobody who still has to. */
export type Urgency = "live" | "warm";

export class Gate {
  readonly #width: number;
  readonly #waiting: Record<Urgency, (() => void)[]> = { live: [], warm: [] };
  readonly #active: Record<Urgency, number> = { live: 0, warm: 0 };

  constructor(width: number) {
    this.#width = width;
  }

  async pass<T>(urgency: Urgency, work: () => Promise<T>): Promise<T> {
    while (!this.#mayPass(urgency)) await new Promise<void>((wake) => this.#waiting[urgency].push(wake));
    this.#active[urgency]++;
    try {
      return await work();
    } finally {
      this.#active[urgency]--;
      this.#wake();
    }
  }

  get active(): number {
    return this.#active.live + this.#active.warm;
  }

  /** Beside live ones, one that warms: it must come to an end some time. */
  #mayPass(urgency: Urgency): boolean {
    if (this.active >= this.#width) return false;
    if (urgency === "live") return true;
    return this.#waiting.live.length === 0 && (this.#active.live === 0 || this.#active.warm === 0);
  }

  #wake(): void {
    const next = this.#waiting.live.shift() ?? this.#waiting.warm.shift();
    next?.();
  }
}
