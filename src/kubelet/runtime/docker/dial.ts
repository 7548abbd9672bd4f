import { spawn } from "node:child_process";
import { type Socket, connect } from "node:net";
import { Duplex } from "node:stream";
import type { SandboxState } from "../runtime.ts";

/**
 * A connection to a port of a pod. By the pod's address first: most servers listen there. What listens on the pod's loopback only is
 * reached from inside its network namespace, by a relay that nsenter starts there.
 */
export async function dialPod(sandbox: SandboxState, port: number): Promise<Duplex> {
  if (!sandbox.running) throw new Error("the pod's sandbox is not running");
  try {
    return await dialTCP(sandbox.ip ?? "127.0.0.1", port);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException; // what net emits
    if (!sandbox.ip || code !== "ECONNREFUSED" || process.getuid?.() !== 0) throw error;
    return dialInside(sandbox.pid, port);
  }
}

function dialTCP(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, allowHalfOpen: true });
    socket.once("connect", () => resolve(socket));
    socket.once("error", reject);
  });
}

/** Says one byte on stderr when connected, and ends with the error's text on stderr otherwise. */
const relay = `
const s = require("net").connect({ host: "127.0.0.1", port: +process.argv[1], allowHalfOpen: true });
s.on("connect", () => { process.stderr.write("+"); process.stdin.pipe(s); s.pipe(process.stdout); });
s.on("end", () => process.stdout.write("", () => require("fs").closeSync(1)));
s.on("close", () => process.exit(0));
s.on("error", (e) => { process.stderr.write(e.message); process.exit(1); });`;

function dialInside(pid: number, port: number): Promise<Duplex> {
  const child = spawn("nsenter", ["-t", String(pid), "-n", process.execPath, "-e", relay, String(port)], { stdio: "pipe" });
  const stream = Duplex.from({ writable: child.stdin, readable: child.stdout });
  stream.on("close", () => child.kill());
  stream.on("error", () => {}); // that it never opened is told by the promise below
  child.stdin.on("error", () => {});
  return new Promise((resolve, reject) => {
    child.stderr.once("data", (text: Buffer) => {
      if (text.toString().startsWith("+")) resolve(stream);
      else reject(new Error(text.toString()));
    });
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`connecting to port ${port} inside the pod failed`)));
  });
}
