import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { createConnection } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { listensAt } from "../lib/local-socket.ts";
import { UsageError } from "./usage-error.ts";

const defaultSocket = "/var/run/docker.sock";
const containerdSocket = "/run/containerd/containerd.sock";

/**
 * Makes sure that a Docker Engine answers. Where none does: with `install` and as root on Debian it installs Debian's docker.io and
 * starts it, telling what it does; elsewhere it throws a UsageError that says what to do.
 */
export async function ensureDockerEngine(dockerHost: string, install: boolean): Promise<void> {
  const socket = socketPath(dockerHost);
  if (socket === undefined || (await answers(socket))) return;
  const isDefault = socket === defaultSocket;
  if (!install || !isDefault || process.getuid?.() !== 0 || !isDebian()) throw new UsageError(advice(socket, isDefault), 1);
  if (!found("dockerd")) {
    console.error("hue: no Docker Engine here: installing Debian's docker.io, iptables and iproute2 with apt-get");
    run("apt-get", ["update", "-qq"]);
    run("apt-get", ["install", "-y", "-qq", "docker.io", "iptables", "iproute2"]);
    if (await answers(socket)) return;
  }
  console.error("hue: starting containerd and dockerd (they go on when hue stops; their logs are in /var/log)");
  if (!(await listensAt(containerdSocket))) daemon("containerd", []);
  await until(() => listensAt(containerdSocket), "containerd");
  daemon("dockerd", ["--containerd", containerdSocket]);
  await until(() => answers(socket), "dockerd");
}

function socketPath(dockerHost: string): string | undefined {
  if (dockerHost === "") return defaultSocket;
  if (dockerHost.startsWith("unix://")) return dockerHost.slice("unix://".length);
  return dockerHost.startsWith("/") ? dockerHost : undefined;
}

function advice(socket: string, isDefault: boolean): string {
  const how = isDefault ? "install and start one (on Debian, as root: apt-get install docker.io)" : "start it, or correct --docker-host";
  const who = existsSync(socket) && process.getuid?.() !== 0 ? `this user may not open ${socket}: add it to the group docker, or` : "";
  return `no Docker Engine answers at ${socket}: ${who || how}; or run pods without containers by --runtime=simulated`;
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = createConnection(socket);
    const end = (answer: boolean): void => {
      connection.destroy();
      resolve(answer);
    };
    connection.setTimeout(2000, () => end(false));
    connection.on("error", () => end(false));
    connection.on("connect", () => connection.write("GET /_ping HTTP/1.0\r\n\r\n"));
    connection.on("data", (data) => end(data.includes("200 OK")));
  });
}

function isDebian(): boolean {
  return existsSync("/usr/bin/apt-get") && /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(readFileSync("/etc/os-release", "utf8"));
}

function found(program: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;
}

function run(program: string, args: readonly string[]): void {
  const result = spawnSync(program, args, {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
  if (result.status !== 0)
    throw new UsageError(`${program} ${args.join(" ")} failed: install a Docker Engine by hand, then start hue again`, 1);
}

function daemon(program: string, args: readonly string[]): void {
  mkdirSync("/var/log", { recursive: true });
  const log = openSync(`/var/log/${program}.log`, "a");
  spawn(program, args, { detached: true, stdio: ["ignore", log, log] }).unref();
}

async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = Date.now() + 60_000;
  while (!(await holds())) {
    if (Date.now() > end) throw new UsageError(`${what} does not come up; see /var/log/${what}.log`, 1);
    await wait(50);
  }
}
