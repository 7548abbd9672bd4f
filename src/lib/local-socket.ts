import { createConnection } from "node:net";

/** Whether a process listens at that socket, a file's path or an abstract name: a killed process leaves its file behind. */
export function listensAt(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = createConnection(path);
    const end = (listens: boolean): void => {
      connection.destroy();
      resolve(listens);
    };
    connection.on("connect", () => end(true));
    connection.on("error", () => end(false));
  });
}
