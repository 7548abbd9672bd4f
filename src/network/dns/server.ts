import { createSocket, type RemoteInfo, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  type DecodedPacket,
  decode,
  encode,
  type Packet,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
  TRUNCATED_RESPONSE,
} from "dns-packet";
import type { Logger } from "../../lib/log.ts";
import { type DnsAnswer, type DnsSource, resolve } from "./records.ts";
import { askUpstream, readReply } from "./upstream.ts";

const noError = 0;
const serverFailure = 2;
const nameError = 3;
const notImplemented = 4;

/** The cluster's DNS: answers for the cluster from memory, and asks the machine's resolvers for the rest. UDP and TCP. */
export class DnsServer {
  private readonly options: { source: DnsSource; domain: string; upstream: readonly string[]; log: Logger };
  private readonly sockets = new Set<Socket>();
  private udp: UdpSocket | undefined;
  private tcp: Server | undefined;

  constructor(options: { source: DnsSource; domain: string; upstream: readonly string[]; log: Logger }) {
    this.options = options;
  }

  /** Throws when the address or port cannot be had. Gives the port. */
  async listen(address: string, port = 53): Promise<number> {
    const udp = createSocket({ type: "udp4" });
    udp.on("message", (query, from) => void this.overUdp(udp, query, from));
    udp.bind(port, address);
    await once(udp, "listening");
    this.udp = udp;
    const chosen = udp.address().port;
    const tcp = createServer((socket) => this.overTcp(socket));
    tcp.listen(chosen, address);
    try {
      await once(tcp, "listening");
    } catch (error) {
      udp.close();
      throw error;
    }
    this.tcp = tcp;
    udp.unref();
    tcp.unref();
    return chosen;
  }

  /** Stops answering and closes every connection. */
  close(): void {
    this.udp?.close();
    this.tcp?.close();
    for (const socket of this.sockets) socket.destroy();
    this.udp = undefined;
    this.tcp = undefined;
  }

  private async overUdp(udp: UdpSocket, query: Buffer, from: RemoteInfo): Promise<void> {
    const reply = await this.answer(query, true);
    if (reply && this.udp === udp) udp.send(reply, from.port, from.address);
  }

  private overTcp(socket: Socket): void {
    this.sockets.add(socket);
    socket.setTimeout(10_000, () => socket.destroy());
    socket.on("close", () => this.sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    let waiting: Buffer = Buffer.alloc(0);
    socket.on("data", (chunk) => {
      waiting = Buffer.concat([waiting, chunk]);
      while (waiting.length >= 2 && waiting.length >= 2 + waiting.readUInt16BE(0)) {
        const end = 2 + waiting.readUInt16BE(0);
        const query = waiting.subarray(2, end);
        waiting = waiting.subarray(end);
        void this.answer(query, false).then((reply) => {
          if (!reply || socket.destroyed) return;
          const length = Buffer.alloc(2);
          length.writeUInt16BE(reply.length);
          socket.write(Buffer.concat([length, reply]));
        });
      }
    });
  }

  private async answer(query: Buffer, overUdp: boolean): Promise<Buffer | undefined> {
    let packet: DecodedPacket;
    try {
      packet = decode(query);
    } catch {
      return undefined;
    }
    const question = packet.questions?.[0];
    if (packet.type !== "query" || !question) return undefined;
    if ((((packet.flags ?? 0) >> 11) & 0xf) !== 0) return encodeReply(packet, { code: notImplemented });
    const answer = resolve(this.options.source, this.options.domain, question);
    if (!answer) return (await askUpstream(this.options.upstream, query)) ?? encodeReply(packet, { code: serverFailure });
    await this.followAlias(answer, question.type);
    const reply = encodeReply(packet, { code: answer.exists ? noError : nameError, answer, domain: this.options.domain });
    const limit = udpLimit(packet);
    return overUdp && reply.length > limit ? encodeReply(packet, { code: noError, truncated: true }) : reply;
  }

  /** An ExternalName's addresses come with the alias, as CoreDNS gives them. */
  private async followAlias(answer: DnsAnswer, type: string): Promise<void> {
    const alias = answer.answers.find((record) => record.type === "CNAME");
    if (alias?.type !== "CNAME" || (type !== "A" && type !== "AAAA")) return;
    const inside = resolve(this.options.source, this.options.domain, { name: alias.data, type });
    if (inside) {
      answer.answers.push(...inside.answers);
      return;
    }
    const query = encode({
      type: "query",
      id: Math.floor(Math.random() * 65536),
      flags: RECURSION_DESIRED,
      questions: [{ type, name: alias.data }],
    });
    const reply = await askUpstream(this.options.upstream, query);
    const records = (reply && readReply(reply)?.answers) ?? [];
    for (const record of records)
      if (record.type === "A" || record.type === "AAAA")
        answer.answers.push({ type: record.type, name: record.name, ttl: record.ttl ?? 5, data: record.data });
  }
}

function udpLimit(packet: DecodedPacket): number {
  const options = packet.additionals?.find((record) => record.type === "OPT");
  return Math.max(512, options && "udpPayloadSize" in options ? options.udpPayloadSize : 512);
}

function encodeReply(query: DecodedPacket, reply: { code: number; answer?: DnsAnswer; domain?: string; truncated?: boolean }): Buffer {
  const authoritative = reply.answer ? AUTHORITATIVE_ANSWER : 0;
  const recursion = (query.flags ?? 0) & RECURSION_DESIRED;
  const packet: Packet = {
    type: "response",
    id: query.id,
    flags: authoritative | recursion | RECURSION_AVAILABLE | (reply.truncated ? TRUNCATED_RESPONSE : 0) | reply.code,
    questions: query.questions,
    answers: (reply.answer?.answers ?? []) as Answer[],
    additionals: (reply.answer?.additionals ?? []) as Answer[],
    authorities: reply.answer && reply.answer.answers.length === 0 && reply.domain ? [authority(reply.domain)] : [],
  };
  return encode(packet);
}

function authority(domain: string): Answer {
  const data = {
    mname: `ns.dns.${domain}`,
    rname: `hostmaster.${domain}`,
    serial: 1,
    refresh: 7200,
    retry: 1800,
    expire: 86400,
    minimum: 5,
  };
  return { type: "SOA", name: domain, ttl: 5, data };
}
