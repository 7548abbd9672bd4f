import { createHash } from "node:crypto";
import { createServer, type Server } from "node:net";
import { listensAt } from "../lib/local-socket.ts";

/** The abstract socket that stands for a data folder while a process works on it; the kernel frees it, however the process ends. */
function address(dataDir: string): string {
  return `\0hue-data-${createHash("sha256").update(dataDir).digest("hex").slice(0, 32)}`;
}

/** Takes the folder for this process. Rejects when another process works on it. Returns how to give it back. */
export function lockDataDir(dataDir: string): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const server: Server = createServer((socket) => socket.destroy());
    server.on("error", (error: NodeJS.ErrnoException) => {
      reject(
        error.code === "EADDRINUSE" ? new Error(`another hue process works on ${dataDir}: stop it, or choose another --data-dir`) : error,
      );
    });
    server.listen(address(dataDir), () => {
      server.unref();
      resolve(() => void server.close());
    });
  });
}

/** Whether a process works on the folder. */
export function isDataDirLocked(dataDir: string): Promise<boolean> {
  return listensAt(address(dataDir));
}
