import { createConnection, createServer, type Server } from "node:net";
import { listensAt } from "../../lib/local-socket.ts";

function address(tag: string): string {
  return `\0hue-network-${tag}`;
}

/** Whether a process of that cluster keeps this machine's network. */
export function isOwned(tag: string): Promise<boolean> {
  return listensAt(address(tag));
}

/**
 * Several nodes of one cluster may run on one machine; its rules, routes and ports are kept by one of them. The first to come owns them;
 * the others wait, without polling, and one of them takes over when the owner ends, however it ends.
 * The name is an abstract socket: it belongs to the network namespace, and the kernel frees it.
 */
export class Ownership {
  private readonly address: string;
  private server: Server | undefined;
  private stopped = false;
  private leaveQueue: () => void = () => {};

  constructor(tag: string) {
    this.address = address(tag);
  }

  /** Resolves to true when this process owns the machine's network, to false when release() came first. */
  async acquire(): Promise<boolean> {
    while (!this.stopped) {
      if (await this.listen()) {
        if (this.stopped) this.server?.close();
        return !this.stopped;
      }
      await this.ownerGone();
    }
    return false;
  }

  /** Gives the machine up, or stops waiting for it. */
  release(): void {
    this.stopped = true;
    this.server?.close();
    this.leaveQueue();
  }

  private listen(): Promise<boolean> {
    return new Promise((resolve, reject) => {
      // Waiting processes keep a connection open: its end tells them that the owner is gone.
      const server = createServer((socket) => {
        socket.unref();
        socket.on("error", () => socket.destroy());
        this.onRelease(() => socket.destroy());
      });
      server.on("error", (error: NodeJS.ErrnoException) => (error.code === "EADDRINUSE" ? resolve(false) : reject(error)));
      server.listen(this.address, () => {
        server.unref();
        this.server = server;
        resolve(true);
      });
    });
  }

  private ownerGone(): Promise<void> {
    return new Promise((resolve) => {
      if (this.stopped) return resolve();
      const socket = createConnection(this.address);
      socket.unref();
      const done = (): void => {
        socket.destroy();
        resolve();
      };
      socket.on("error", done);
      socket.on("close", done);
      socket.resume();
      this.leaveQueue = done;
    });
  }

  private onRelease(call: () => void): void {
    const before = this.leaveQueue;
    this.leaveQueue = () => {
      before();
      call();
    };
  }
}
