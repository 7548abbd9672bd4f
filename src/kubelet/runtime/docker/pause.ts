/**
 * The program of a pod's sandbox: a static ELF file of a few hundred bytes. It waits for signals and does nothing else: reaps
 * the children that end (it is process 1 when containers share their process namespace), and exits on SIGTERM and SIGINT.
 * The signals are blocked and taken with rt_sigtimedwait, so that no handler is needed: a blocked signal reaches process 1 too.
 */
export function pauseProgram(architecture: "x64" | "arm64"): Buffer {
  const code = architecture === "x64" ? x64() : arm64();
  const [headers, base] = [64 + 56, 0x400000n];
  const elf = Buffer.alloc(headers + code.length);
  elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // ELF, 64 bit, little endian, version 1
  elf.writeUInt16LE(2, 16); // an executable
  elf.writeUInt16LE(architecture === "x64" ? 62 : 183, 18);
  elf.writeUInt32LE(1, 20);
  elf.writeBigUInt64LE(base + BigInt(headers), 24); // entry point
  elf.writeBigUInt64LE(64n, 32); // program headers follow
  elf.writeUInt16LE(64, 52);
  elf.writeUInt16LE(56, 54);
  elf.writeUInt16LE(1, 56);
  elf.writeUInt32LE(1, 64); // load this segment
  elf.writeUInt32LE(5, 68); // readable, executable
  elf.writeBigUInt64LE(base, 80);
  elf.writeBigUInt64LE(base, 88);
  elf.writeBigUInt64LE(BigInt(elf.length), 96);
  elf.writeBigUInt64LE(BigInt(elf.length), 104);
  elf.writeBigUInt64LE(0x10000n, 112); // aligned for pages of 64 KiB as well
  elf.set(code, headers);
  return elf;
}

/** SIGINT (2), SIGTERM (15) and SIGCHLD (17) as a signal set. */
const signals = (1 << 1) | (1 << 14) | (1 << 16);

function x64(): Buffer {
  const set = [signals & 0xff, (signals >> 8) & 0xff, (signals >> 16) & 0xff, 0];
  const start = [
    ...[0x68, ...set], // push set
    ...[0x31, 0xff], // rt_sigprocmask(SIG_BLOCK,
    ...[0x48, 0x89, 0xe6], // rsp,
    ...[0x31, 0xd2], // 0,
    ...[0x6a, 0x08, 0x41, 0x5a], // 8)
    ...[0xb8, 14, 0, 0, 0, 0x0f, 0x05],
  ];
  const wait = [
    ...[0x48, 0x89, 0xe7], // rt_sigtimedwait(rsp,
    ...[0x31, 0xf6, 0x31, 0xd2], // 0, 0,
    ...[0x6a, 0x08, 0x41, 0x5a], // 8)
    ...[0xb8, 128, 0, 0, 0, 0x0f, 0x05],
    ...[0x83, 0xf8, 17], // SIGCHLD?
    ...[0x74, 13], // -> reap
    ...[0x85, 0xc0], // an error (interrupted)?
  ];
  const exit = [0x31, 0xff, 0xb8, 60, 0, 0, 0, 0x0f, 0x05]; // exit(0)
  const again = [0x7e, -(wait.length + 2) & 0xff]; // -> wait
  const reap = [
    ...[0x6a, 0xff, 0x5f], // wait4(-1,
    ...[0x31, 0xf6], // 0,
    ...[0x6a, 0x01, 0x5a], // WNOHANG,
    ...[0x45, 0x31, 0xd2], // 0)
    ...[0xb8, 61, 0, 0, 0, 0x0f, 0x05],
    ...[0x85, 0xc0],
  ];
  const more = [0x7f, -(reap.length + 2) & 0xff]; // one was reaped -> reap
  const behind = wait.length + again.length + exit.length + reap.length + more.length;
  return Buffer.from([...start, ...wait, ...again, ...exit, ...reap, ...more, 0xeb, -(behind + 2) & 0xff]);
}

function arm64(): Buffer {
  const set = (register: number, value: number): number => 0xd2800000 | (value << 5) | register;
  const setHigh = (register: number, value: number): number => 0xf2a00000 | (value << 5) | register;
  const branch = (condition: number, words: number): number => 0x54000000 | ((words & 0x7ffff) << 5) | condition;
  const [equal, lessOrEqual, greater] = [0, 13, 12];
  const [call, stackToX0, stackToX1] = [0xd4000001, 0x910003e0, 0x910003e1];
  const words = [
    ...[set(0, signals & 0xffff), setHigh(0, signals >> 16), 0xd10043ff, 0xf90003e0], // sub sp, sp, 16; str x0, [sp]
    ...[set(0, 0), stackToX1, set(2, 0), set(3, 8), set(8, 135), call], // rt_sigprocmask(SIG_BLOCK, sp, 0, 8)
    ...[stackToX0, set(1, 0), set(2, 0), set(3, 8), set(8, 137), call], // 10: rt_sigtimedwait(sp, 0, 0, 8)
    ...[0xf1000000 | (17 << 10) | 31, branch(equal, 6)], // 16: SIGCHLD -> reap at 23
    ...[0xf100001f, branch(lessOrEqual, -9)], // 18: an error -> wait at 10
    ...[set(0, 0), set(8, 93), call], // 20: exit(0)
    ...[0x92800000, set(1, 0), set(2, 1), set(3, 0), set(8, 260), call], // 23: wait4(-1, 0, WNOHANG, 0)
    ...[0xf100001f, branch(greater, -7)], // 29: one was reaped -> reap at 23
    0x14000000 | (-21 & 0x3ffffff), // 31: -> wait at 10
  ];
  const code = Buffer.alloc(words.length * 4);
  words.forEach((word, i) => {
    code.writeUInt32LE(word >>> 0, i * 4);
  });
  return code;
}
