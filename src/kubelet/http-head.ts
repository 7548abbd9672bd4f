import type { Socket } from "node:net";

/** The head of an HTTP reply. */
export interface ReplyHead {
  status: number;
  /** Of the name in lower case; undefined when the reply does not have it. */
  header(name: string): string | undefined;
}

/** Servers that say more than this before their reply begins are none. */
const longestHead = 65_536;

/**
 * Sends a request on a connection of its own and resolves with the reply's head; what follows it stays in the socket, unread.
 * For what happens every second: node:http costs three times the CPU. Rejects with the socket's error, or with one in Go's words.
 */
export function sendRequest(socket: Socket, request: string): Promise<ReplyHead> {
  return new Promise((resolve, reject) => {
    let text = "";
    const settled = (): void => {
      socket.off("readable", read).off("error", failed).off("close", closed);
    };
    const failed = (error: Error): void => {
      settled();
      socket.on("error", () => {}); // what a connection says after its end
      socket.destroy();
      reject(error);
    };
    const closed = (): void => failed(new Error("EOF"));
    const read = (): void => {
      for (let chunk: Buffer | null = socket.read(); chunk; chunk = socket.read()) text += chunk.toString("latin1");
      try {
        const found = headOf(text);
        if (!found) return;
        settled();
        if (found.rest !== "") socket.unshift(Buffer.from(found.rest, "latin1"));
        resolve(found.head);
      } catch (error) {
        failed(error as Error); // headOf's own
      }
    };
    socket.on("readable", read).on("error", failed).on("close", closed);
    socket.write(request);
  });
}

/** The reply's head and what follows it, interim replies left out; undefined while it has not come. Throws when this is no reply. */
function headOf(text: string): { head: ReplyHead; rest: string } | undefined {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0 && text.length <= longestHead && "HTTP/1.".startsWith(text.slice(0, 7))) return undefined;
  const [first = "", ...lines] = text.slice(0, Math.max(end, 0) || 40).split("\r\n");
  const status = Number(/^HTTP\/1\.[01] ([1-9]\d\d)(?: |$)/.exec(first)?.[1]);
  if (end < 0 || Number.isNaN(status)) throw malformed(first);
  const rest = text.slice(end + 4);
  if (status < 200 && status !== 101) return headOf(rest);
  return { head: { status, header: (name) => headerOf(lines, name) }, rest };
}

function malformed(text: string): Error {
  return new Error(`net/http: HTTP/1.x transport connection broken: malformed HTTP response ${JSON.stringify(text)}`);
}

function headerOf(lines: readonly string[], name: string): string | undefined {
  const line = lines.find((l) => l.length > name.length && l[name.length] === ":" && l.slice(0, name.length).toLowerCase() === name);
  return line?.slice(name.length + 1).trim();
}
