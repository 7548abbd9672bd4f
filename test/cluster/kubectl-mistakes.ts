/** What users do wrong with kubectl, one after the other in one namespace: each with what kubectl is given, and on its standard input. */
export interface Mistake {
  args: string[];
  input?: string;
}

const map = (data: string): string => `{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {${data}}}`;
const web = (more: string, container = "image: nginx"): string =>
  `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  ${more}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, ${container}}]}
`;
const apply = (input: string, ...args: string[]): Mistake => ({ args: ["apply", "-f", "-", ...args], input });
const create = (input: string, ...args: string[]): Mistake => ({ args: ["create", "-f", "-", ...args], input });
const kubectl = (text: string): Mistake => ({ args: text.split(" ") });

export const mistakes: readonly Mistake[] = [
  // Names that are not there.
  kubectl("get pod nope"),
  kubectl("get pods"),
  kubectl("get pods -n nowhere"),
  kubectl("get podz"),
  kubectl("get deployments.nope.example.com"),
  kubectl("get configmap nope other"),
  kubectl("get pods -l a=b=c"),
  kubectl("get pods --field-selector spec.nope=1"),
  kubectl("describe pod nope"),
  kubectl("describe nope nope"),
  kubectl("delete pod nope"),
  kubectl("delete configmap"),
  kubectl("logs nope"),
  kubectl("exec nope -- ls"),
  kubectl("scale deployment nope --replicas 2"),
  kubectl("rollout status deployment/nope"),
  kubectl("label pod nope a=b"),
  kubectl("expose deployment nope --port 80"),
  kubectl("explain pods.spec.nope"),
  kubectl("set image deployment/nope web=nginx"),
  kubectl("autoscale deployment nope --max 3"),
  // Names that cannot be.
  kubectl("create configmap Bad_Name"),
  kubectl("create namespace Bad_Name"),
  kubectl("create configmap nowhere -n nowhere"),
  kubectl("label configmap kube-root-ca.crt a=b/c/d"),
  kubectl("run Bad_Name --image nginx"),
  kubectl("run bad --image nginx --restart Sometimes"),
  // The same twice.
  create(map("a: '1'")),
  create(map("a: '1'")),
  kubectl("create configmap settings"),
  create(map("a: '1'"), "--dry-run=server"),
  kubectl("label configmap settings a=1"),
  kubectl("label configmap settings a=2"),
  kubectl("label configmap settings a- nothere-"),
  // Manifests.
  apply(map("a: 1")),
  apply(web("replica: 3")),
  apply(web("replica: 3"), "--validate=warn", "--dry-run=server"),
  apply(web("replicas: many")),
  apply(web("replicas: -1")),
  apply(web("replicas: 1", "imagePullPolicy: Sometimes, image: nginx")),
  apply(web("replicas: 1", "ports: [{containerPort: 99999}], image: nginx")),
  apply(web("replicas: 1", "resources: {requests: {cpu: much}}, image: nginx")),
  apply(web("replicas: 1", "args: [15], image: nginx")),
  apply(web("replicas: 1, paused: nope")),
  apply("apiVersion: apps/v1\nkind: Deploymnt\nmetadata: {name: web}\n"),
  apply("apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: web}\n"),
  apply("kind: Deployment\nmetadata: {name: web}\n"),
  apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n"),
  apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: other}\n"),
  apply("a: [1, 2\n"),
  apply("apiVersion: v1\nkind: Pod\nmetadata: {name: empty}\nspec: {}\n"),
  apply("apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80, nodePort: 80}], type: NodePort}\n"),
  // Changes that cannot be.
  apply(web("replicas: 1")),
  apply(web("replicas: 1").replaceAll("app: web", "app: other")),
  kubectl('patch deployment web -p {"spec":{"replicas":"two"}}'),
  kubectl("patch deployment web -p {nonsense"),
  kubectl('patch deployment web --type json -p [{"op":"remove","path":"/spec/nope"}]'),
  kubectl("set image deployment/web nope=nginx"),
  kubectl("scale deployment web --replicas 2 --current-replicas 7"),
  { args: ["replace", "-f", "-"], input: web("replicas: 2").replace("name: web}", "name: nope}") },
  { args: ["replace", "-f", "-"], input: web("replicas: 2").replace("name: web}", "name: web, resourceVersion: '1'}") },
  // Two managers of one field.
  apply(map("a: applied"), "--server-side", "--field-manager", "one"),
  apply(map("a: other"), "--server-side", "--field-manager", "two"),
  apply(map("a: other"), "--server-side", "--field-manager", "two", "--force-conflicts"),
  apply(`${map("a: other")}\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: more}, datas: {a: b}}`, "--server-side"),
  kubectl("auth can-i fly pods"),
  kubectl("delete deployment web --cascade=maybe"),
  kubectl("rollout undo deployment/web"),
  kubectl("rollout history deployment/web --revision 9"),
  kubectl("taint node nope a=b:NoSchedule"),
  kubectl("cordon nope"),
  kubectl("drain nope"),
  kubectl("config use-context nope"),
  kubectl("certificate approve nope"),
  kubectl("create rolebinding r --role nope"),
  kubectl("wait --for=condition=Ready pod/nope --timeout 1s"),
];
