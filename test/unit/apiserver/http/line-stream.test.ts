import { EventEmitter } from "node:events";
import type { ServerResponse } from "node:http";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { LineStream } from "../../../../src/apiserver/http/line-stream.ts";
import { WatchPace } from "../../../../src/apiserver/http/watch-pace.ts";
import { FakeClock } from "../../../../src/lib/clock.ts";

/** As much of a response and its socket as a stream uses; `full` is what the client lets wait. */
class Client extends EventEmitter {
  readonly writes: Buffer[] = [];
  readonly req = { method: "GET" };
  readonly chunkedEncoding = true;
  readonly socket = this;
  writableNeedDrain = false;
  destroyed = false;
  ended = false;

  write(data: Buffer): boolean {
    this.writes.push(data);
    return true;
  }

  destroy(): void {
    this.destroyed = true;
  }

  end(): void {
    this.ended = true;
  }

  get text(): string {
    return Buffer.concat(this.writes).toString();
  }
}

let clock: FakeClock;
let pace: WatchPace;
beforeEach(() => {
  clock = new FakeClock();
  pace = new WatchPace(clock);
});

function open(): { client: Client; stream: LineStream } {
  const client = new Client();
  const stream = new LineStream(client as unknown as ServerResponse, pace);
  stream.live();
  return { client, stream };
}

const endOfTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("lines of a watch", () => {
  test("are bytes once for all clients that get the same", async () => {
    const all = Array.from({ length: 100 }, open);
    const line = '{"type":"ADDED"}\n';
    for (const { stream } of all) stream.write(line);
    await endOfTurn();
    expect(new Set(all.flatMap(({ client }) => client.writes)).size).toBe(1);
    expect(all[0]?.client.text).toBe(`11\r\n${line}\r\n`);
  });

  test("of one turn go out together", async () => {
    const { client, stream } = open();
    stream.write("é\n");
    stream.write("b\n");
    expect(client.writes).toEqual([]);
    await endOfTurn();
    expect(client.writes.map(String)).toEqual(["5\r\né\nb\n\r\n"]);
  });

  test("that follow at once wait for the beat, and the next after a pause does not", async () => {
    const { client, stream } = open();
    for (const line of ["a\n", "b\n", "c\n"]) {
      stream.write(line);
      await endOfTurn();
    }
    expect(client.writes.length).toBe(1);
    clock.advance(10);
    expect(client.writes.length).toBe(2);
    expect(client.text).toBe("2\r\na\n\r\n4\r\nb\nc\n\r\n");
    clock.advance(10);
    stream.write("d\n");
    await endOfTurn();
    expect(client.writes.length).toBe(3);
  });

  test("have one timer for all clients, and none when nothing comes any more", async () => {
    const after = vi.spyOn(clock, "after");
    for (const { stream } of [open(), open()]) {
      stream.write("a\n");
      await endOfTurn();
    }
    expect(after).toHaveBeenCalledTimes(1);
    clock.advance(1000);
    expect(after).toHaveBeenCalledTimes(1);
  });

  test("differ where clients select differently", async () => {
    const [one, other] = [open(), open()];
    for (const line of ["a\n", "b\n"]) one.stream.write(line);
    for (const line of ["a\n", "c\n"]) other.stream.write(line);
    await endOfTurn();
    expect(one.client.text).toContain("a\nb\n");
    expect(other.client.text).toContain("a\nc\n");
  });

  test("wait for a slow client, which is cut off when too much is unread", async () => {
    const { client, stream } = open();
    client.writableNeedDrain = true;
    stream.write("a\n");
    await endOfTurn();
    expect(client.writes).toEqual([]);
    client.writableNeedDrain = false;
    client.emit("drain");
    expect(client.text).toContain("a\n");
    client.writableNeedDrain = true;
    const megabyte = "x".repeat(2 ** 20);
    for (let i = 0; i < 32; i++) stream.write(megabyte);
    expect(client.destroyed).toBe(false);
    stream.write("x");
    expect(client.destroyed).toBe(true);
  });

  test("at the beginning may be of any size, and all come before the end", () => {
    const client = new Client();
    const stream = new LineStream(client as unknown as ServerResponse, pace);
    const megabyte = `${"x".repeat(2 ** 20)}\n`;
    for (let i = 0; i < 40; i++) stream.write(megabyte);
    stream.live();
    stream.write("live\n");
    expect(client.destroyed).toBe(false);
    stream.end();
    expect(client.ended).toBe(true);
    expect(client.text.length).toBeGreaterThan(40 * 2 ** 20);
    expect(client.text.endsWith("live\n\r\n")).toBe(true);
    expect(client.writes.length).toBeGreaterThan(30);
  });
});
