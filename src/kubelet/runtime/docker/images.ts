import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { finished, pipeline } from "node:stream/promises";
import type Docker from "dockerode";
import { pack } from "tar-stream";
import type { ImageInfo, RegistryCredentials } from "../runtime.ts";
import { calling, label, statusOf } from "./engine.ts";
import { pauseProgram } from "./pause.ts";
import { type Owner, ownerLabels } from "./specs.ts";
import { jsonLines } from "./streams.ts";

/** The sandbox's image, made by hue itself. */
export const pauseImage = "hue/pause:1";

/** Makes the sandbox's image in the engine when it is not there. */
export async function ensurePauseImage(docker: Docker): Promise<void> {
  if (await findImage(docker, pauseImage)) return;
  const architecture = (await calling(docker.version())).Arch === "arm64" ? "arm64" : "x64";
  const files = pack();
  files.entry({ name: "pause", mode: 0o755 }, pauseProgram(architecture));
  files.finalize();
  const [repo, tag] = pauseImage.split(":");
  const changes = ['ENTRYPOINT ["/pause"]'];
  const reply: NodeJS.ReadableStream = await calling(docker.importImage(files as unknown as NodeJS.ReadableStream, { repo, tag, changes }));
  await jsonLines(reply, throwOnError);
}

/** An image by name or id; undefined when the engine does not have it. */
export async function findImage(docker: Docker, reference: string): Promise<ImageInfo | undefined> {
  try {
    const info = await docker.getImage(reference).inspect();
    return imageInfo({ ...info, user: info.Config?.User ?? "" });
  } catch (error) {
    if (statusOf(error) === 404 || statusOf(error) === 400) return undefined;
    throw error;
  }
}

/** All images of the engine. */
export async function listImages(docker: Docker): Promise<ImageInfo[]> {
  const images = await calling(docker.listImages());
  return images.map((i) => imageInfo({ ...i, user: "" }));
}

function imageInfo(i: { Id: string; RepoTags?: string[]; RepoDigests?: string[]; Size: number; user: string }): ImageInfo {
  const digests = (i.RepoDigests ?? []).filter((d) => !d.startsWith("<none>"));
  const tags = (i.RepoTags ?? []).filter((t) => !t.startsWith("<none>"));
  return {
    id: i.Id,
    names: [...digests, ...tags],
    statusId: digests[0] ? `docker-pullable://${digests[0]}` : `docker://${i.Id}`,
    hasRepoDigest: digests.length > 0,
    sizeBytes: i.Size,
    user: i.user,
  };
}

/** Fetches an image from its registry. */
export async function pullImage(
  docker: Docker,
  reference: string,
  credentials: RegistryCredentials | undefined,
  abortSignal: AbortSignal,
): Promise<void> {
  const authconfig = credentials && {
    username: credentials.username,
    password: credentials.password,
    identitytoken: credentials.identityToken,
    serveraddress: credentials.serverAddress ?? "",
  };
  const reply: NodeJS.ReadableStream = await calling(docker.pull(withTag(reference), { authconfig, abortSignal }));
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
export async function unpackImage(docker: Docker, owner: Owner, id: string): Promise<string> {
  const folder = join(owner.dataDir, "images", id.replace(/[^a-zA-Z0-9]/g, "-"));
  if (existsSync(folder)) return folder;
  const Labels = { ...ownerLabels(owner), [label.kind]: "unpack" };
  const container = await calling(docker.createContainer({ Image: id, Cmd: ["-"], Labels }));
  const partial = `${folder}.${container.id.slice(0, 12)}`;
  try {
    await mkdir(partial, { recursive: true });
    const tar = spawn("tar", ["-x", "-C", partial, "--numeric-owner"], { stdio: ["pipe", "ignore", "ignore"] });
    const over = finished(tar.stdin);
    const exit = new Promise<number | null>((resolve, reject) => tar.on("exit", resolve).on("error", reject));
    await pipeline(await calling(container.export()), tar.stdin);
    await over;
    if ((await exit) !== 0) throw new Error(`unpacking image ${id} failed`);
    if (!existsSync(folder)) await rename(partial, folder);
  } finally {
    await container.remove({ force: true });
    await rm(partial, { recursive: true, force: true });
  }
  return folder;
}
