/**
 * Stands in for the SDK's event streams in the Worker (wrangler.toml), where only SelectObjectContent would use them: 6 KiB of gzip less.
 * Node has the real ones.
 */
export const resolveEventStreamSerdeConfig = <T extends object>(input: T): T => input;

export function eventStreamSerdeProvider(): never {
  throw new Error("there are no event streams here");
}

export class EventStreamSerde {
  constructor() {
    eventStreamSerdeProvider();
  }
}
