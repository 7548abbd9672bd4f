/** A request of HTTP/1.1 in its proper form, whatever it says. */
export interface Request {
  method: string;
  path: string;
  body?: Buffer | undefined;
  /** application/json where there is a body. */
  contentType?: string;
  accept?: string;
  headers?: readonly (readonly [string, string])[];
  endless?: boolean;
}

/** The token of the user whom the fuzzed server knows as administrator. */
export const token = "fuzz-administrator";

/** The request's head, without the empty line. */
export function head({ method, path, body, contentType, accept, headers = [] }: Request): string {
  const lines = [`${method} ${safe(path)} HTTP/1.1`, "Host: 127.0.0.1"];
  if (!headers.some(([name]) => name === "Authorization")) lines.push(`Authorization: Bearer ${token}`);
  if (accept !== undefined) lines.push(`Accept: ${accept}`);
  if (body) lines.push(`Content-Type: ${contentType ?? "application/json"}`, `Content-Length: ${body.length}`);
  for (const [name, value] of headers) lines.push(`${name}: ${value}`);
  return lines.join("\r\n");
}

/** The request as bytes. */
export function http(request: Request): Buffer {
  const bytes = Buffer.from(`${head(request)}\r\n\r\n`, "latin1");
  return request.body ? Buffer.concat([bytes, request.body]) : bytes;
}

/** Spaces and line ends would make another request of it; other bytes stay. */
function safe(path: string): string {
  return path.replace(/[ \r\n]/g, "+");
}
