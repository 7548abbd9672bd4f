import { constants, createInflate } from "node:zlib";

const words =
  "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow authorization " +
  "cache-control connection content-base content-encoding content-language content-length content-location content-md5 content-range " +
  "content-type date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since " +
  "last-modified location max-forwards pragma proxy-authenticate proxy-authorization range referer retry-after server te trailer " +
  "transfer-encoding upgrade user-agent vary via warning www-authenticate method get";
const texts = ["status", "200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin"];
/** An empty stored block: Go's decompressor hands out what it has when it meets one. */
const flush = Buffer.from([0, 0, 0, 0xff, 0xff]);
const tail =
  "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505" +
  "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found" +
  "500 Internal Server Error501 Not Implemented503 Service Unavailable" +
  "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT" +
  "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,public" +
  "privatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

/** The text that both sides begin compression with (SPDY/3, section 2.6.10.1). */
const dictionary = Buffer.concat([...[...words.split(" "), ...texts].map(lengthPrefixed), Buffer.from(tail)]);

/** Reads the header blocks of one connection, which share one compression state: in the order in which they came. */
export class HeaderReader {
  private readonly inflate = createInflate({ dictionary, flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH });

  constructor() {
    // Without a listener the event would end the process.
    this.inflate.on("error", () => {});
  }

  /** The headers, names in lower case. Rejects when the block is none. */
  async read(block: Buffer): Promise<Map<string, string>> {
    const raw = await new Promise<Buffer>((resolve, reject) => {
      // An error leaves the callback of the write uncalled.
      this.inflate.once("error", reject);
      this.inflate.write(block, () => {
        this.inflate.off("error", reject);
        const read: Buffer | null = this.inflate.read();
        resolve(read ?? Buffer.alloc(0));
      });
    });
    let at = 0;
    const number = (): number => raw.readUInt32BE((at += 4) - 4);
    const text = (): string => {
      const length = number();
      if (length > raw.length - at) throw new Error("SPDY header block is cut off");
      return raw.toString("utf8", at, (at += length));
    };
    const headers = new Map<string, string>();
    for (let count = number(); count > 0; count--) headers.set(text().toLowerCase(), text());
    return headers;
  }

  close(): void {
    this.inflate.close();
  }
}

/** Writes the header blocks of one connection. They are stored rather than compressed: ours are a few bytes. */
export class HeaderWriter {
  private begun = false;

  write(headers: Readonly<Record<string, string>>): Buffer {
    const entries = Object.entries(headers);
    const pairs = entries.flatMap(([name, value]) => [lengthPrefixed(name.toLowerCase()), lengthPrefixed(value)]);
    const raw = Buffer.concat([uint32(entries.length), ...pairs]);
    // A stored block of a deflate stream; the stream's two-byte header comes before the first one.
    const head = Buffer.alloc(5);
    head.writeUInt16LE(raw.length, 1);
    head.writeUInt16LE(~raw.length & 0xffff, 3);
    const start = this.begun ? Buffer.alloc(0) : Buffer.from([0x78, 0x01]);
    this.begun = true;
    return Buffer.concat([start, head, raw, flush]);
  }
}

function lengthPrefixed(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
