import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { endWith } from "../../../src/lib/last-words.ts";

test("a connection that is ended with last words closes, whatever is still sent on it", async () => {
  const server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const client = connect(typeof address === "object" && address ? address.port : 0, "127.0.0.1");
  const [socket] = (await once(server, "connection")) as [Socket];
  client.write("nobody reads this");
  const closed = once(socket, "close");
  endWith(socket, "go away");
  expect(await text(client)).toBe("go away");
  await closed;
  server.close();
});
