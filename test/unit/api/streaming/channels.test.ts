import { describe, expect, test } from "vitest";
import {
  channel,
  closedChannel,
  closeFrame,
  decodeFrame,
  decodeResize,
  decodeStatus,
  encodeFrame,
  encodeResize,
  encodeStatus,
  exitStatus,
  failureStatus,
} from "../../../../src/api/streaming/channels.ts";
import { parseRemoteCommand, portForwardPath, remoteCommandPath } from "../../../../src/api/streaming/kubelet-paths.ts";

function frame(message: Buffer) {
  const decoded = decodeFrame(message);
  if (!decoded) throw new Error("an empty message");
  return decoded;
}

describe("channel frames", () => {
  test("carry text and bytes unchanged", () => {
    expect(frame(encodeFrame(channel.stdout, "grün"))).toEqual({ channel: 1, data: Buffer.from("grün") });
    expect(frame(encodeFrame(channel.stdin, Buffer.from([0, 255, 10])))).toEqual({ channel: 0, data: Buffer.from([0, 255, 10]) });
    expect(decodeFrame(Buffer.alloc(0))).toBeUndefined();
  });

  test("say which channel ends", () => {
    expect(closedChannel(frame(closeFrame(channel.stdin)))).toBe(0);
    expect(closedChannel(frame(encodeFrame(channel.stdin, "x")))).toBeUndefined();
  });

  test("carry terminal sizes and refuse what is none", () => {
    expect(decodeResize(frame(encodeResize({ Width: 80, Height: 24 })).data)).toEqual({ Width: 80, Height: 24 });
    expect(decodeResize(Buffer.from("{}"))).toBeUndefined();
    expect(decodeResize(Buffer.from("nonsense"))).toBeUndefined();
  });

  test("end with a Status that kubectl turns into an exit code", () => {
    expect(decodeStatus(frame(encodeStatus(exitStatus(0))).data)?.status).toBe("Success");
    const failed = decodeStatus(frame(encodeStatus(exitStatus(3))).data);
    expect(failed?.reason).toBe("NonZeroExitCode");
    expect(failed?.details?.causes).toEqual([{ reason: "ExitCode", message: "3" }]);
    expect(failed?.message).toBe("command terminated with non-zero exit code: command terminated with exit code 3");
    expect(failureStatus("container not running").reason).toBe("InternalError");
  });
});

test("the kubelet's paths escape names and keep the command's words apart", () => {
  const ref = { namespace: "ns", pod: "p", container: "c" };
  const options = parseRemoteCommand(new URLSearchParams("command=sh&command=-c&command=echo%20%26&stdin=true&stdout=1&stderr=false"));
  expect(options).toEqual({ command: ["sh", "-c", "echo &"], stdin: true, stdout: true, stderr: false, tty: false });
  expect(remoteCommandPath(ref, options)).toBe("/exec/ns/p/c?command=sh&command=-c&command=echo+%26&stdin=1&stdout=1");
  expect(remoteCommandPath(ref, { ...options, command: [] })).toBe("/attach/ns/p/c?stdin=1&stdout=1");
  expect(portForwardPath("ns", "p", 80)).toBe("/portForward/ns/p?port=80");
});
