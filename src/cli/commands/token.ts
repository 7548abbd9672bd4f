import { Secrets } from "../../api/types/resources.ts";
import type { Secret } from "../../api/types/core.v1.ts";
import type { Client } from "../../client/client.ts";
import { authorityHash, formatJoinToken, newJoinToken } from "../../pki/join-token.ts";
import type { CliCommand } from "../command.ts";
import { connect, connectionOptions, findKubeconfig } from "../connection.ts";
import { UsageError } from "../usage-error.ts";
import { duration, text } from "./node-options.ts";

const namespace = "kube-system";
const prefix = "bootstrap-token-";

/** `hue token create|list|delete` */
export const tokenCommand: CliCommand = {
  usage: "token <action> [id]",
  description: "Create, list and delete the tokens that agents join with",
  options: [
    ...connectionOptions,
    {
      flag: "ttl",
      type: "string",
      value: "DURATION",
      description: "How long a new token lasts: 30m, 24h, 7d, or 0 for ever",
      default: "24h",
    },
    { flag: "description", type: "string", value: "TEXT", description: "What the token is for" },
  ],
  examples: ["token create --ttl 1h", "token list", "token delete abcdef"],
  async run({ words, options, env }) {
    const [action, id] = words;
    const actions = {
      create: (client: Client) => {
        const cluster = findKubeconfig(options, env).content.clusters[0]?.cluster["certificate-authority-data"] ?? "";
        return create(client, Buffer.from(cluster, "base64").toString(), duration(options, "ttl"), text(options, "description"));
      },
      list,
      delete: (client: Client) => remove(client, id),
    };
    if (action !== "create" && action !== "list" && action !== "delete")
      throw new UsageError(`token knows create, list and delete, not "${action}"`);
    const { client, close } = await connect(options, env);
    try {
      await actions[action](client);
    } finally {
      close();
    }
    return 0;
  },
};

async function create(client: Client, authority: string, milliseconds: number, description: string): Promise<void> {
  const token = newJoinToken();
  const expiration: Record<string, string> =
    milliseconds === 0 ? {} : { expiration: new Date(Date.now() + milliseconds).toISOString().replace(/\.\d+Z$/, "Z") };
  await client.create(Secrets, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: prefix + token.id, namespace },
    type: "bootstrap.kubernetes.io/token",
    stringData: {
      "token-id": token.id,
      "token-secret": token.secret,
      "usage-bootstrap-authentication": "true",
      "usage-bootstrap-signing": "true",
      "auth-extra-groups": "system:bootstrappers:hue",
      ...(description ? { description } : {}),
      ...expiration,
    },
  });
  console.log(formatJoinToken({ ...token, authorityHash: authorityHash(authority) }));
}

async function list(client: Client): Promise<void> {
  const secrets = await client.list(Secrets, { namespace, fieldSelector: "type=bootstrap.kubernetes.io/token" });
  const field = (secret: Secret, name: string): string => Buffer.from(secret.data?.[name] ?? "", "base64").toString();
  const rows = secrets.items.map((s) => [field(s, "token-id"), field(s, "expiration") || "never", field(s, "description")]);
  for (const [id = "", expires = "", description = ""] of [["ID", "EXPIRES", "DESCRIPTION"], ...rows])
    console.log(`${id.padEnd(9)}${expires.padEnd(23)}${description}`.trimEnd());
}

async function remove(client: Client, id: string | undefined): Promise<void> {
  // A whole token is taken as well: it is what people have at hand.
  const name = /([a-z0-9]{6})(\.[a-z0-9]{16})?$/.exec(id ?? "")?.[1];
  if (!name) throw new UsageError("token delete needs the token's id: 6 letters or digits, see hue token list");
  await client.delete(Secrets, { namespace, name: prefix + name });
  console.log(`token ${name} deleted`);
}
