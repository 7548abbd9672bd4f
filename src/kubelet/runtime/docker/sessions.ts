import type { Duplex } from "node:stream";
import { finished } from "node:stream/promises";
import type { Session, SessionOptions } from "../runtime.ts";
import type { Engine } from "./engine.ts";
import { demultiplex } from "./streams.ts";

/** Those who wait for the end of commands, by the commands' ids: the engine's events tell of it. */
export type ExecEnds = Map<string, (exitCode: number) => void>;

/** Runs a command in a container. */
export async function exec(
  engine: Engine,
  ends: ExecEnds,
  { id, command, options }: { id: string; command: string[]; options: SessionOptions },
): Promise<Session> {
  const { stdin, stdout, tty } = options;
  const stderr = options.stderr && !tty;
  const body = { Cmd: command, AttachStdin: stdin, AttachStdout: stdout, AttachStderr: stderr, Tty: tty };
  const { Id } = await engine.call<{ Id: string }>("POST", `/containers/${id}/exec`, { body });
  const told = new Promise<number>((resolve) => ends.set(Id, resolve));
  const stop = (): unknown => ends.delete(Id);
  const stream = await engine.hijack(`/exec/${Id}/start`, { body: { Detach: false, Tty: tty } }).catch((error: unknown) => {
    stop();
    throw error;
  });
  const session = streams(stream, options);
  let over = false;
  const done = session.ended
    .then(() => exitCode(engine, Id, told))
    .finally(() => {
      over = true;
      stop();
    });
  done.catch(() => {});
  return {
    ...session,
    done,
    resize: (w, h) => resize(engine, `/exec/${Id}`, w, h),
    close() {
      // The engine has no call that ends an exec: its process is killed by its number on the host.
      if (!over) kill(engine, Id).finally(() => stream.destroy());
      else stream.destroy();
    },
  };
}

/** Joins the streams of a container's own process. */
export async function attach(engine: Engine, id: string, options: SessionOptions): Promise<Session> {
  const { stdin, stdout, stderr } = options;
  const stream = await engine.hijack(`/containers/${id}/attach`, { query: { stream: true, stdin, stdout, stderr } });
  const session = streams(stream, options);
  return {
    ...session,
    done: session.ended.then(() => 0),
    resize: (w, h) => resize(engine, `/containers/${id}`, w, h),
    close: () => stream.destroy(),
  };
}

async function resize(engine: Engine, path: string, w: number, h: number): Promise<void> {
  await engine.call("POST", `${path}/resize`, { query: { w, h } }).catch(() => {});
}

function streams(stream: Duplex, options: SessionOptions): Pick<Session, "stdin" | "stdout" | "stderr"> & { ended: Promise<void> } {
  stream.on("error", () => {}); // a connection that breaks has ended
  const ended = finished(stream, { writable: false }).catch(() => {});
  const stdin = options.stdin ? stream : undefined;
  if (options.tty) return { stdin, stdout: stream, stderr: undefined, ended };
  return { stdin, ...demultiplex(stream), ended };
}

interface ExecInfo {
  Running: boolean;
  ExitCode: number | null;
  Pid: number;
}

/** How long the engine's event may follow the end of the output, in milliseconds, before it counts as missed. */
const patience = 100;

/** The engine notes the exit code a moment after the output has ended, and tells of it; who has missed that asks. */
async function exitCode(engine: Engine, id: string, told: Promise<number>): Promise<number> {
  for (let wait = patience; ; wait *= 2) {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), wait)));
    const code = await Promise.race([told, late]);
    clearTimeout(timer);
    if (code !== undefined) return code;
    const info = await engine.call<ExecInfo>("GET", `/exec/${id}/json`);
    if (!info.Running || wait > 4096) return info.ExitCode ?? 137;
  }
}

async function kill(engine: Engine, id: string): Promise<void> {
  try {
    const info = await engine.call<ExecInfo>("GET", `/exec/${id}/json`);
    if (info.Running && info.Pid > 1) process.kill(info.Pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
