import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { finished, pipeline } from "node:stream/promises";
import type { ImageInfo, RegistryCredentials } from "../runtime.ts";
import { type Engine, EngineError, ifFound, label } from "./engine.ts";
import { pauseProgram } from "./pause.ts";
import { type Owner, ownerLabels } from "./specs.ts";
import { jsonLines } from "./streams.ts";

/** The sandbox's image, made by hue itself. */
export const pauseImage = "hue/pause:1";

/** Makes the sandbox's image in the engine when it is not there. */
export async function ensurePauseImage(engine: Engine): Promise<void> {
  if (await findImage(engine, pauseImage)) return;
  const { Arch } = await engine.call<{ Arch: string }>("GET", "/version");
  const [repo, tag] = pauseImage.split(":");
  const query = { fromSrc: "-", repo, tag, changes: 'ENTRYPOINT ["/pause"]' };
  const body = tarOf("pause", pauseProgram(Arch === "arm64" ? "arm64" : "x64"));
  await jsonLines(await engine.stream("POST", "/images/create", { query, body }), throwOnError);
}

/** A tar archive (ustar) of one program. */
function tarOf(name: string, program: Buffer): Buffer {
  const padding = Buffer.alloc(1024 + (-program.length & 511)); // to whole blocks, and two empty ones at the end
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write("0000755\x000000000\x000000000\0", 100);
  header.write(`${program.length.toString(8).padStart(11, "0")}\0${"0".repeat(11)}\0${" ".repeat(8)}0`, 124);
  header.write("ustar\x0000", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return Buffer.concat([header, program, padding]);
}

/** What hue reads of an image in the engine's replies. */
interface EngineImage {
  Id: string;
  RepoTags?: string[];
  RepoDigests?: string[];
  Size: number;
  Config?: { User?: string };
}

/** An image by name or id; undefined when the engine does not have it. */
export async function findImage(engine: Engine, reference: string): Promise<ImageInfo | undefined> {
  try {
    const found = await ifFound(engine.call<EngineImage>("GET", `/images/${reference}/json`));
    return found && imageInfo(found);
  } catch (error) {
    if (error instanceof EngineError && error.status === 400) return undefined;
    throw error;
  }
}

/** All images of the engine. */
export async function listImages(engine: Engine): Promise<ImageInfo[]> {
  return (await engine.call<EngineImage[]>("GET", "/images/json")).map(imageInfo);
}

function imageInfo(i: EngineImage): ImageInfo {
  const digests = (i.RepoDigests ?? []).filter((d) => !d.startsWith("<none>"));
  const tags = (i.RepoTags ?? []).filter((t) => !t.startsWith("<none>"));
  return {
    id: i.Id,
    names: [...digests, ...tags],
    statusId: digests[0] ? `docker-pullable://${digests[0]}` : `docker://${i.Id}`,
    hasRepoDigest: digests.length > 0,
    sizeBytes: i.Size,
    user: i.Config?.User ?? "",
  };
}

/** Fetches an image from its registry. */
export async function pullImage(
  engine: Engine,
  reference: string,
  credentials: RegistryCredentials | undefined,
  signal: AbortSignal,
): Promise<void> {
  const authconfig = credentials && {
    username: credentials.username,
    password: credentials.password,
    identitytoken: credentials.identityToken,
    serveraddress: credentials.serverAddress ?? "",
  };
  const headers: Record<string, string> = {};
  // URL-safe, and padded: the engine overlooks credentials without padding.
  if (authconfig)
    headers["X-Registry-Auth"] = Buffer.from(JSON.stringify(authconfig)).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
  const reply = await engine.stream("POST", "/images/create", { query: { fromImage: withTag(reference) }, headers, signal });
  await jsonLines(reply, throwOnError);
}

/** Without a tag the engine would fetch all of them. */
function withTag(reference: string): string {
  return /:[^/]*$/.test(reference) ? reference : `${reference}:latest`;
}

function throwOnError(line: unknown): void {
  const { error } = line as { error?: unknown }; // a progress message of the engine
  if (typeof error === "string") throw new Error(error);
}

/** Writes an image's files into a folder below the data directory, once an image; the engine cannot mount an image before version 28. */
export async function unpackImage(engine: Engine, owner: Owner, id: string): Promise<string> {
  const folder = join(owner.dataDir, "images", id.replace(/[^a-zA-Z0-9]/g, "-"));
  if (existsSync(folder)) return folder;
  const Labels = { ...ownerLabels(owner), [label.kind]: "unpack" };
  const { Id } = await engine.call<{ Id: string }>("POST", "/containers/create", { body: { Image: id, Cmd: ["-"], Labels } });
  const partial = `${folder}.${Id.slice(0, 12)}`;
  try {
    await mkdir(partial, { recursive: true });
    const tar = spawn("tar", ["-x", "-C", partial, "--numeric-owner"], { stdio: ["pipe", "ignore", "ignore"] });
    const over = finished(tar.stdin);
    const exit = new Promise<number | null>((resolve, reject) => tar.on("exit", resolve).on("error", reject));
    await pipeline(await engine.stream("GET", `/containers/${Id}/export`), tar.stdin);
    await over;
    if ((await exit) !== 0) throw new Error(`unpacking image ${id} failed`);
    if (!existsSync(folder)) await rename(partial, folder);
  } finally {
    await engine.call("DELETE", `/containers/${Id}`, { query: { force: true } });
    await rm(partial, { recursive: true, force: true });
  }
  return folder;
}
