import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type StreamingServer, startStreamingServer } from "./streaming-server.ts";
import { eventually } from "../../../support/eventually.ts";
import { tool } from "../../../support/kubectl.ts";

describe.each([
  { over: "WebSocket", env: {} },
  { over: "SPDY", env: { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: "false", KUBECTL_PORT_FORWARD_WEBSOCKETS: "false" } },
])("a stock kubectl over $over", ({ env }) => {
  let server: StreamingServer;
  let folder: string;
  beforeAll(async () => {
    server = await startStreamingServer();
    folder = await mkdtemp(join(tmpdir(), "hue-kubectl-"));
  });
  afterAll(async () => {
    await eventually(() => expect(server.kubelet.open()).toBe(0));
    await server.stop();
    await rm(folder, { recursive: true });
  });

  const start = (args: string[]) => {
    const connection = ["--server", server.api.url, "--insecure-skip-tls-verify", "--token", "admin", "--cache-dir", join(folder, "cache")];
    return spawn(tool("kubectl"), [...connection, ...args], { env: { PATH: process.env["PATH"], HOME: folder, KUBECONFIG: "", ...env } });
  };
  const kubectl = (args: string[], input?: string) =>
    new Promise<{ code: number | null; out: string; errors: string }>((resolve) => {
      const child = start(args);
      let out = "";
      let errors = "";
      child.stdout.on("data", (data) => (out += data));
      child.stderr.on("data", (data) => (errors += data));
      child.stdin.end(input);
      child.on("close", (code) => resolve({ code, out, errors }));
    });

  test("exec: output, errors, exit code", async () => {
    const result = await kubectl(["exec", "one", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    expect(result).toEqual({ code: 7, out: "out\n", errors: "err\ncommand terminated with exit code 7\n" });
  });

  test("exec -i: input to its end, and much output", async () => {
    const input = "0123456789abcdef\n".repeat(100_000);
    const result = await kubectl(["exec", "-i", "two", "-c", "b", "--", "cat"], input);
    expect([result.code, result.out === input, result.errors]).toEqual([0, true, ""]);
  });

  test("exec: refusals reach the user", async () => {
    expect((await kubectl(["exec", "two", "-c", "gone", "--", "ls"])).errors).toContain('container not found ("gone")');
    expect((await kubectl(["exec", "pending", "--", "ls"])).errors).toContain("pod pending does not have a host assigned");
  });

  test("attach", async () => {
    const result = await kubectl(["attach", "-i", "one"], "typed");
    expect([result.code, result.out]).toEqual([0, "attached\ntyped"]);
  });

  test("cp, there and back", async () => {
    const text = "data\n".repeat(50_000);
    await writeFile(join(folder, "here"), text);
    expect(await kubectl(["cp", join(folder, "here"), `one:${folder}/there`])).toMatchObject({ code: 0 });
    expect(await readFile(join(folder, "there"), "utf8")).toBe(text);
    expect(await kubectl(["cp", `one:${folder}/there`, join(folder, "back")])).toMatchObject({ code: 0 });
    expect(await readFile(join(folder, "back"), "utf8")).toBe(text);
  });

  test("logs -f", async () => {
    expect(await kubectl(["logs", "-f", "one"])).toEqual({ code: 0, out: "container is alive\nand well\n", errors: "" });
  });

  test("port-forward: several requests, and a port where nobody listens", async () => {
    const child = start(["port-forward", "pod/one", `:${server.webPort}`, ":1"]);
    let said = "";
    child.stdout.on("data", (data) => (said += data));
    child.stderr.on("data", (data) => (said += data));
    const portTo = async (target: number) => {
      const pattern = new RegExp(`127\\.0\\.0\\.1:(\\d+) -> ${target}\\b`);
      await expect.poll(() => said, { timeout: 10_000 }).toMatch(pattern);
      return pattern.exec(said)?.[1];
    };
    const port = await portTo(server.webPort);
    const body = "x".repeat(1_000_000);
    const answers = await Promise.all(
      ["/a", "/b", "/c"].map((path) => fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", body }).then((answer) => answer.text())),
    );
    expect(answers.every((answer) => answer === body)).toBe(true);
    await expect(fetch(`http://127.0.0.1:${await portTo(1)}/`)).rejects.toThrow();
    await expect.poll(() => said).toContain("error forwarding port 1 to pod one: connect ECONNREFUSED 127.0.0.1:1");
    child.kill();
  });
});
