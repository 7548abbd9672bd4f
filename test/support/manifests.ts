/** An image with busybox and nothing else, built from the machine's own by examples/hue-platform/images/build.sh. */
export const base = "hue-platform/base";

/** Lasts as long as its pod. */
export const forever = "sleep 86400";

/** A container that runs this shell script. */
export function shell(name: string, script: string, more: object = {}): object {
  return { name, image: base, imagePullPolicy: "IfNotPresent", command: ["sh", "-c", script], ...more };
}

/** A pod of one container "main" that runs this shell script, and ends within a second when it is deleted. */
export function shellPod(
  name: string,
  script: string,
  options: { labels?: Record<string, string>; spec?: object; container?: object } = {},
): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels: options.labels ?? { app: name } },
    spec: { terminationGracePeriodSeconds: 1, containers: [shell("main", script, options.container)], ...options.spec },
  };
}

/** A Deployment of such pods, labelled app=name. */
export function shellDeployment(
  name: string,
  replicas: number,
  script: string,
  options: { spec?: object; container?: object; strategy?: object } = {},
): object {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      ...(options.strategy ? { strategy: options.strategy } : {}),
      template: {
        metadata: { labels: { app: name } },
        spec: { terminationGracePeriodSeconds: 1, containers: [shell("main", script, options.container)], ...options.spec },
      },
    },
  };
}

/** A Service in front of the pods labelled app=name. */
export function service(name: string, port: number, targetPort: number, more: object = {}): object {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name },
    spec: { selector: { app: name }, ports: [{ port, targetPort }], ...more },
  };
}

/** Shell: answers every HTTP request on this port with the text. */
export function httpServer(port: number, text: string): string {
  return `echo '${text}' > /www/index.html; exec httpd -f -p ${port} -h /www`;
}
