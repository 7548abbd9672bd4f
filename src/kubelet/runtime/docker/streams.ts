import { PassThrough, type Readable, Transform, type TransformCallback } from "node:stream";

/** Calls for each piece of a stream in which the engine has interleaved stdout and stderr: 8 bytes of header, then the payload. */
function splitter(piece: (stream: 1 | 2, data: Buffer) => void): (chunk: Buffer) => void {
  let [stream, left]: [1 | 2, number] = [1, 0];
  let header = Buffer.alloc(0);
  return (chunk) => {
    let at = 0;
    while (at < chunk.length) {
      if (left === 0) {
        const take = Math.min(8 - header.length, chunk.length - at);
        header = Buffer.concat([header, chunk.subarray(at, at + take)]);
        at += take;
        if (header.length < 8) return;
        stream = header[0] === 2 ? 2 : 1;
        left = header.readUInt32BE(4);
        header = Buffer.alloc(0);
        continue;
      }
      const data = chunk.subarray(at, at + left);
      at += data.length;
      left -= data.length;
      piece(stream, data);
    }
  };
}

/** The engine's interleaved stream as two; when a reader is slow, the engine waits. */
export function demultiplex(source: Readable): { stdout: Readable; stderr: Readable } {
  const outputs = { 1: new PassThrough(), 2: new PassThrough() };
  let blocked = 0;
  const split = splitter((stream, data) => {
    const output = outputs[stream];
    if (output.destroyed || output.write(data)) return;
    blocked++;
    source.pause();
    output.once("drain", () => {
      if (--blocked === 0) source.resume();
    });
  });
  source.on("data", split);
  const end = (): void => {
    for (const output of [outputs[1], outputs[2]]) if (!output.writableEnded) output.end();
  };
  source.on("end", end);
  source.on("close", end);
  source.on("error", end);
  return { stdout: outputs[1], stderr: outputs[2] };
}

/** The engine's interleaved stream without its headers: stdout and stderr in the order they were written. */
export function withoutHeaders(): Transform {
  let pieces: Buffer[] = [];
  const split = splitter((_, data) => pieces.push(data));
  return new Transform({
    transform(chunk: Buffer, _encoding: string, done: TransformCallback) {
      split(chunk);
      const all = Buffer.concat(pieces);
      pieces = [];
      done(null, all);
    },
  });
}

/** Calls for each JSON document of a stream that has one a line; resolves at its end. */
export async function jsonLines(source: NodeJS.ReadableStream, line: (value: unknown) => void): Promise<void> {
  let rest = "";
  for await (const chunk of source) {
    rest += chunk.toString();
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const text of lines) if (text.trim()) line(JSON.parse(text));
  }
  if (rest.trim()) line(JSON.parse(rest));
}
