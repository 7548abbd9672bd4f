/** Manifests of the book's Hue platform, as its readers type them; only grace periods are shorter. */

/** The Deployment hue-learn; its selector is broad on purpose. */
export function hueLearn(version: "0.3" | "0.4"): string {
  return `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: hue-learn
  labels:
    app: hue
    service: learn
spec:
  replicas: 3
  selector:
    matchLabels:
      app: hue
  template:
    metadata:
      labels:
        app: hue
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: hue-learn
        image: g1g1/hue-learn:${version}
        resources:
          requests:
            cpu: 200m
            memory: 256Mi
        env:
        - name: DISCOVER_QUEUE
          value: dns
        - name: DISCOVER_STORE
          value: dns
`;
}

/** The Deployment hue-reminders: two lines of text over HTTP on port 8080. `spec` is further YAML of its pods, indented by six spaces. */
export function hueReminders(replicas: number, spec = ""): string {
  return `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: hue-reminders
spec:
  replicas: ${replicas}
  selector:
    matchLabels:
      app: hue
      service: reminders
  template:
    metadata:
      name: hue-reminders
      labels:
        app: hue
        service: reminders
    spec:
      terminationGracePeriodSeconds: 1
${spec}
      containers:
      - name: hue-reminders
        image: g1g1/hue-reminders:3.0
        ports:
        - containerPort: 8080
        readinessProbe:
          tcpSocket:
            port: 8080
          periodSeconds: 1
`;
}

/** The Service hue-reminders. */
export const hueRemindersService = `
apiVersion: v1
kind: Service
metadata:
  name: hue-reminders
spec:
  ports:
  - port: 8080
    targetPort: 8080
    protocol: TCP
  selector:
    app: hue
    service: reminders
`;

/** The pod trouble-shooter, on one chosen node. */
export function troubleShooter(node: string): string {
  return `
apiVersion: v1
kind: Pod
metadata:
  name: trouble-shooter
  labels:
    role: trouble-shooter
spec:
  terminationGracePeriodSeconds: 1
  nodeSelector:
    kubernetes.io/hostname: ${node}
  containers:
  - name: trouble-shooter
    image: g1g1/py-kube:0.3
    command: ["bash"]
    args: ["-c", "echo started...; while true ; do sleep 1 ; done"]
`;
}
