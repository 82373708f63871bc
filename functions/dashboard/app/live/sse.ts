/** Server-sent events out of a stream of bytes: what a browser's own reader does, which sends no token. https://html.spec.whatwg.org/multipage/server-sent-events.html */

/** `id`: of this message, or of the last one that had any; "" for none. A comment alone is a message without data. */
export type Message = { id: string; event: string; data: string };

const LINE_END = /\r\n|\n|\r/;
/** No event of the feed is near as long; what is, is no feed. */
const TEXT_MAX = 1_000_000;

export async function* messagesIn(stream: ReadableStream<Uint8Array>): AsyncGenerator<Message> {
  let id = "";
  for await (const block of blocksIn(stream)) {
    const message = messageOf(block, id);
    id = message.id;
    yield message;
  }
}

function messageOf(block: readonly string[], lastId: string): Message {
  const fields = block.map((line) => {
    const at = line.indexOf(":");
    return at < 0 ? { name: line, value: "" } : { name: line.slice(0, at), value: line.slice(at + 1).replace(/^ /, "") };
  });
  const all = (wanted: string) => fields.filter(({ name }) => name === wanted).map(({ value }) => value);
  return { id: all("id").at(-1) ?? lastId, event: all("event").at(-1) ?? "message", data: all("data").join("\n") };
}

/** Lines up to an empty one. */
async function* blocksIn(stream: ReadableStream<Uint8Array>): AsyncGenerator<string[]> {
  let block: string[] = [];
  for await (const line of linesIn(stream)) {
    if (line !== "") block.push(line);
    else if (block.length > 0) {
      yield block;
      block = [];
    }
  }
}

async function* linesIn(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  // Not every browser can iterate over a stream.
  const reader = stream.getReader();
  let text = "";
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      text += decoder.decode(read.value, { stream: true });
      if (text.length > TEXT_MAX) throw new Error("this is no feed of events");
      // A lone \r at the end may be half of \r\n.
      const whole = text.endsWith("\r") ? text.slice(0, -1) : text;
      const lines = whole.split(LINE_END);
      text = (lines.pop() ?? "") + text.slice(whole.length);
      yield* lines;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
