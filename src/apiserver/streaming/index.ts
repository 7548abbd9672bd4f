import type { Clock } from "../../lib/clock.ts";
import type { ConnectHandler } from "../http/listener.ts";
import type { Objects } from "../objects.ts";
import { admitConnect, type ConnectAdmission } from "./connect-admission.ts";
import { serveProxy } from "./http-proxy.ts";
import { type KubeletCredentials, Kubelets } from "./kubelet.ts";
import { serveLogs } from "./logs.ts";
import type { StreamingParts } from "./parts.ts";
import { servePortForward } from "./port-forward.ts";
import { serveRemoteCommand } from "./remote-command.ts";

export type { ConnectAdmission } from "./connect-admission.ts";
export type { KubeletCredentials } from "./kubelet.ts";

/** What connections to pods, services and nodes need. */
export interface StreamingOptions extends Partial<ConnectAdmission> {
  objects: Objects;
  clock: Clock;
  /** The client certificate kube-apiserver-kubelet-client, and the authority of kubelets' serving certificates. Asked at each connection. */
  kubeletCredentials: () => KubeletCredentials;
  /** 0 to 1; for the choice among a Service's endpoints. Default Math.random. */
  random?: () => number;
}

/** The handlers by "resource/subresource", as the API server's `connect` option takes them. */
export interface Streaming {
  connect: Readonly<Record<string, ConnectHandler>>;
  /** The way to the kubelets, for who else asks them. */
  kubelets: Kubelets;
  /** Ends what is kept open to kubelets; connections under way go on until one side ends. */
  close(): void;
}

/** Builds the handlers of exec, attach, port-forward, logs and the proxies. */
export function createStreaming(options: StreamingOptions): Streaming {
  const { objects, clock, kubeletCredentials, random = Math.random, admission = [], check = () => {} } = options;
  const kubelets = new Kubelets(kubeletCredentials);
  const parts: StreamingParts = { objects, clock, kubelets };
  const admitted = (serve: ConnectHandler): ConnectHandler => {
    return async (connect) => {
      await admitConnect({ admission, check }, connect);
      await serve(connect);
    };
  };
  const proxy = admitted((connect) => serveProxy(parts, connect, random));
  const command = admitted((connect) => serveRemoteCommand(parts, connect));
  return {
    connect: {
      "pods/exec": command,
      "pods/attach": command,
      "pods/portforward": admitted((connect) => servePortForward(parts, connect)),
      "pods/log": (connect) => serveLogs(parts, connect),
      "pods/proxy": proxy,
      "services/proxy": proxy,
      "nodes/proxy": proxy,
    },
    kubelets,
    close: () => kubelets.close(),
  };
}
