import type { Duplex } from "node:stream";
import { finished } from "node:stream/promises";
import type Docker from "dockerode";
import type { Session, SessionOptions } from "../runtime.ts";
import { calling } from "./engine.ts";
import { demultiplex } from "./streams.ts";

/** Runs a command in a container. */
export async function exec(docker: Docker, id: string, command: string[], options: SessionOptions): Promise<Session> {
  const instance = await calling(
    docker.getContainer(id).exec({
      Cmd: command,
      AttachStdin: options.stdin,
      AttachStdout: options.stdout,
      AttachStderr: options.stderr && !options.tty,
      Tty: options.tty,
    }),
  );
  const stream = await calling(instance.start({ hijack: true, stdin: options.stdin, Tty: options.tty }));
  const session = streams(stream, options);
  let over = false;
  const done = session.ended.then(() => exitCode(instance)).finally(() => (over = true));
  done.catch(() => {});
  return {
    ...session,
    done,
    resize: (w, h) => instance.resize({ w, h }).catch(() => {}),
    close() {
      // The engine has no call that ends an exec: its process is killed by its number on the host.
      if (!over) kill(instance).finally(() => stream.destroy());
      else stream.destroy();
    },
  };
}

/** Joins the streams of a container's own process. */
export async function attach(docker: Docker, id: string, options: SessionOptions): Promise<Session> {
  const container = docker.getContainer(id);
  const { stdin, stdout, stderr } = options;
  const stream: NodeJS.ReadWriteStream = await calling(container.attach({ stream: true, hijack: true, stdin, stdout, stderr }));
  const session = streams(stream as Duplex, options); // with hijack it is the connection's socket
  return {
    ...session,
    done: session.ended.then(() => 0),
    resize: (w, h) => container.resize({ w, h }).catch(() => {}),
    close: () => (stream as Duplex).destroy(),
  };
}

function streams(stream: Duplex, options: SessionOptions): Pick<Session, "stdin" | "stdout" | "stderr"> & { ended: Promise<void> } {
  stream.on("error", () => {}); // a connection that breaks has ended
  const ended = finished(stream, { writable: false }).catch(() => {});
  const stdin = options.stdin ? stream : undefined;
  if (options.tty) return { stdin, stdout: stream, stderr: undefined, ended };
  return { stdin, ...demultiplex(stream), ended };
}

/** The engine notes the exit code a moment after the output has ended. */
async function exitCode(instance: Docker.Exec): Promise<number> {
  for (let wait = 1; ; wait *= 2) {
    const info = await calling(instance.inspect());
    if (!info.Running || wait > 4096) return info.ExitCode ?? 137;
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

async function kill(instance: Docker.Exec): Promise<void> {
  try {
    const info = await instance.inspect();
    if (info.Running && info.Pid > 1) process.kill(info.Pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
