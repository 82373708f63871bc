/** What workerd has of Node's module without a flag; on Node @types/node says the same. */
declare module "node:async_hooks" {
  class AsyncLocalStorage<T> {
    run<R>(value: T, work: () => R): R;
    getStore(): T | undefined;
  }
}
