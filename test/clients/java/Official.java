import io.kubernetes.client.Exec;
import io.kubernetes.client.PodLogs;
import io.kubernetes.client.custom.V1Patch;
import io.kubernetes.client.informer.ResourceEventHandler;
import io.kubernetes.client.informer.SharedInformerFactory;
import io.kubernetes.client.openapi.ApiClient;
import io.kubernetes.client.openapi.ApiException;
import io.kubernetes.client.openapi.apis.AppsV1Api;
import io.kubernetes.client.openapi.apis.CoreV1Api;
import io.kubernetes.client.openapi.models.*;
import io.kubernetes.client.util.Config;
import io.kubernetes.client.util.PatchUtils;
import io.kubernetes.client.util.Watch;
import io.kubernetes.client.util.Yaml;
import io.kubernetes.client.util.generic.GenericKubernetesApi;
import io.kubernetes.client.util.generic.dynamic.DynamicKubernetesApi;
import io.kubernetes.client.util.generic.dynamic.DynamicKubernetesObject;
import io.kubernetes.client.util.generic.options.ListOptions;
import com.google.gson.JsonParser;
import com.google.gson.reflect.TypeToken;
import java.util.*;
import java.util.concurrent.*;

/** What Java programs do with a cluster, through io.kubernetes:client-java: `Official.java KUBECONFIG NAMESPACE`. Prints a line for each part. */
class Official extends Checks {
  static ApiClient cluster;
  static CoreV1Api core;
  static String namespace;

  public static void main(String[] arguments) throws Exception {
    cluster = Config.fromConfig(arguments[0]);
    cluster.setReadTimeout(0);
    core = new CoreV1Api(cluster);
    namespace = arguments[1];
    crud();
    pages();
    patches();
    apply();
    watching();
    informer();
    deployments();
    pods();
    dynamic();
    System.exit(0);
  }

  static void crud() throws ApiException {
    V1ConfigMap made = core.createNamespacedConfigMap(namespace, map("settings", "1")).execute();
    check(made.getMetadata().getUid() != null && made.getMetadata().getCreationTimestamp() != null, made);
    refused(409, "AlreadyExists", () -> core.createNamespacedConfigMap(namespace, map("settings", "1")).execute());
    made.setData(Map.of("a", "2"));
    check(core.replaceNamespacedConfigMap("settings", namespace, made).execute().getData().equals(Map.of("a", "2")), made);
    refused(409, "Conflict", () -> core.replaceNamespacedConfigMap("settings", namespace, made).execute());
    refused(422, "Invalid", () -> core.createNamespacedConfigMap(namespace, map("Wrong_Name", "1")).execute());
    check(core.deleteNamespacedConfigMap("settings", namespace).execute().getStatus().equals("Success"), "deleted");
    refused(404, "NotFound", () -> core.readNamespacedConfigMap("settings", namespace).execute());
    System.out.println("crud ok");
  }

  static void pages() throws ApiException {
    for (int i = 0; i < 5; i++) core.createNamespacedConfigMap(namespace, map("page-" + i, "1").metadata(labelled("page-" + i))).execute();
    List<String> names = new ArrayList<>();
    String next = null;
    do {
      V1ConfigMapList page = core.listNamespacedConfigMap(namespace).labelSelector("app=java").limit(2)._continue(next).execute();
      check(page.getItems().size() <= 2, page);
      page.getItems().forEach(item -> names.add(item.getMetadata().getName()));
      next = page.getMetadata().getContinue();
    } while (next != null && !next.isEmpty());
    check(names.equals(List.of("page-0", "page-1", "page-2", "page-3", "page-4")), names);
    core.deleteCollectionNamespacedConfigMap(namespace).labelSelector("app=java").execute();
    check(core.listNamespacedConfigMap(namespace).labelSelector("app=java").execute().getItems().isEmpty(), "a list after deletecollection");
    System.out.println("pages ok");
  }

  static void patches() throws ApiException {
    core.createNamespacedConfigMap(namespace, map("patched", "1")).execute();
    var merged = patched(V1Patch.PATCH_FORMAT_STRATEGIC_MERGE_PATCH, "{\"data\":{\"b\":\"2\"}}");
    check(merged.equals(Map.of("a", "1", "b", "2")), merged);
    check(patched(V1Patch.PATCH_FORMAT_JSON_MERGE_PATCH, "{\"data\":{\"b\":null}}").equals(Map.of("a", "1")), "merge patch");
    var replaced = patched(V1Patch.PATCH_FORMAT_JSON_PATCH, "[{\"op\":\"replace\",\"path\":\"/data/a\",\"value\":\"3\"}]");
    check(replaced.equals(Map.of("a", "3")), replaced);
    System.out.println("patches ok");
  }

  static void apply() throws ApiException {
    check(applied("one", "1", false).equals(Map.of("a", "1")), "applied");
    refused(409, "Conflict", () -> applied("two", "2", false));
    check(applied("two", "2", true).equals(Map.of("a", "2")), "applied by force");
    System.out.println("apply ok");
  }

  static void watching() throws Exception {
    String start = core.listNamespacedConfigMap(namespace).execute().getMetadata().getResourceVersion();
    var call = core.listNamespacedConfigMap(namespace).resourceVersion(start).allowWatchBookmarks(true).timeoutSeconds(30).watch(true);
    List<String> seen = new ArrayList<>();
    try (Watch<V1ConfigMap> watch = Watch.createWatch(cluster, call.buildCall(null), new TypeToken<Watch.Response<V1ConfigMap>>() {}.getType())) {
      core.createNamespacedConfigMap(namespace, map("watched", "1")).execute();
      core.replaceNamespacedConfigMap("watched", namespace, map("watched", "2")).execute();
      core.deleteNamespacedConfigMap("watched", namespace).execute();
      for (Watch.Response<V1ConfigMap> event : watch) {
        if (event.type.equals("BOOKMARK")) continue;
        seen.add(event.type + " " + event.object.getData().get("a"));
        if (event.type.equals("DELETED")) break;
      }
    }
    check(seen.equals(List.of("ADDED 1", "MODIFIED 2", "DELETED 2")), seen);
    System.out.println("watching ok");
  }

  static void informer() throws Exception {
    SharedInformerFactory factory = new SharedInformerFactory(cluster);
    BlockingQueue<String> seen = new LinkedBlockingQueue<>();
    var maps = new GenericKubernetesApi<>(V1ConfigMap.class, V1ConfigMapList.class, "", "v1", "configmaps", cluster);
    var informer = factory.sharedIndexInformerFor(maps, V1ConfigMap.class, 0, namespace);
    informer.addEventHandler(new ResourceEventHandler<V1ConfigMap>() {
      public void onAdd(V1ConfigMap added) {
        tell("added", added);
      }

      public void onUpdate(V1ConfigMap before, V1ConfigMap after) {
        tell("updated", after);
      }

      public void onDelete(V1ConfigMap deleted, boolean unknown) {
        tell("deleted", deleted);
      }

      void tell(String what, V1ConfigMap map) {
        if (map.getMetadata().getName().startsWith("informed")) seen.add(what + " " + map.getMetadata().getName() + " " + map.getData().get("a"));
      }
    });
    core.createNamespacedConfigMap(namespace, map("informed-before", "1")).execute();
    factory.startAllRegisteredInformers();
    expect(seen, "added informed-before 1");
    core.createNamespacedConfigMap(namespace, map("informed", "1")).execute();
    expect(seen, "added informed 1");
    core.replaceNamespacedConfigMap("informed", namespace, map("informed", "2")).execute();
    expect(seen, "updated informed 2");
    check(informer.getIndexer().getByKey(namespace + "/informed").getData().get("a").equals("2"), "the informer's cache");
    core.deleteNamespacedConfigMap("informed", namespace).execute();
    expect(seen, "deleted informed 2");
    factory.stopAllRegisteredInformers();
    System.out.println("informer ok");
  }

  static void deployments() throws Exception {
    AppsV1Api apps = new AppsV1Api(cluster);
    Map<String, String> labels = Map.of("app", "web");
    V1PodTemplateSpec template = new V1PodTemplateSpec().metadata(new V1ObjectMeta().labels(labels)).spec(pod("sleep", "1000"));
    V1DeploymentSpec spec = new V1DeploymentSpec().replicas(2).selector(new V1LabelSelector().matchLabels(labels)).template(template);
    apps.createNamespacedDeployment(namespace, new V1Deployment().metadata(new V1ObjectMeta().name("web")).spec(spec)).execute();
    var call = apps.listNamespacedDeployment(namespace).fieldSelector("metadata.name=web").timeoutSeconds(30).watch(true);
    V1Deployment last = null;
    try (Watch<V1Deployment> watch = Watch.createWatch(cluster, call.buildCall(null), new TypeToken<Watch.Response<V1Deployment>>() {}.getType())) {
      for (Watch.Response<V1Deployment> event : watch) {
        last = event.object;
        if (Integer.valueOf(2).equals(last.getStatus().getReadyReplicas())) break;
      }
    }
    check(last != null && Integer.valueOf(2).equals(last.getStatus().getReadyReplicas()), last);
    var scale = apps.readNamespacedDeploymentScale("web", namespace).execute();
    scale.getSpec().setReplicas(1);
    check(apps.replaceNamespacedDeploymentScale("web", namespace, scale).execute().getSpec().getReplicas() == 1, "the scale");
    String text = Yaml.dump(apps.readNamespacedDeployment("web", namespace).execute());
    check(((V1Deployment) Yaml.load(text)).getSpec().getReplicas() == 1, text);
    apps.deleteNamespacedDeployment("web", namespace).propagationPolicy("Foreground").execute();
    System.out.println("deployments ok");
  }

  static void pods() throws Exception {
    V1Pod tells = new V1Pod().metadata(new V1ObjectMeta().name("tells")).spec(pod("echo", "hello", "there").restartPolicy("Never"));
    core.createNamespacedPod(namespace, tells).execute();
    core.createNamespacedPod(namespace, new V1Pod().metadata(new V1ObjectMeta().name("stays")).spec(pod("sleep", "1000"))).execute();
    phase("tells", "Succeeded");
    V1Pod stays = phase("stays", "Running");
    check(core.readNamespacedPodLog("tells", namespace).execute().equals("hello there\n"), "the log");
    try (var log = new PodLogs(cluster).streamNamespacedPodLog(namespace, "tells", "c")) {
      check(new String(log.readAllBytes()).equals("hello there\n"), "the log as a stream");
    }
    Process echo = new Exec(cluster).exec(stays, new String[] {"echo", "from within"}, false);
    check(new String(echo.getInputStream().readAllBytes()).equals("from within\n") && echo.waitFor() == 0, "exec");
    check(new Exec(cluster).exec(stays, new String[] {"exit", "7"}, false).waitFor() == 7, "an exit code");
    core.deleteNamespacedPod("stays", namespace).gracePeriodSeconds(0).execute();
    System.out.println("pods ok");
  }

  static void dynamic() throws Exception {
    var definitions = new DynamicKubernetesApi("apiextensions.k8s.io", "v1", "customresourcedefinitions", cluster);
    definitions.create(dynamic("""
      {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": "beans.java.example.com" },
        "spec": {
          "group": "java.example.com",
          "scope": "Namespaced",
          "names": { "plural": "beans", "kind": "Bean" },
          "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": {
            "type": "object", "properties": { "spec": { "type": "object", "properties": { "size": { "type": "integer" } } } }
          } } }]
        }
      }
      """)).throwsApiException();
    var beans = new DynamicKubernetesApi("java.example.com", "v1", "beans", cluster);
    for (int i = 0; i < 300 && !beans.list(namespace).isSuccess(); i++) Thread.sleep(100);
    String brown = """
      { "apiVersion": "java.example.com/v1", "kind": "Bean", "metadata": { "name": "brown", "namespace": "%s" }, "spec": { "size": 3 } }""";
    beans.create(dynamic(brown.formatted(namespace))).throwsApiException();
    var listed = beans.list(namespace, new ListOptions()).throwsApiException().getObject().getItems();
    check(listed.size() == 1 && listed.get(0).getRaw().getAsJsonObject("spec").get("size").getAsInt() == 3, listed);
    var wrong = beans.patch(namespace, "brown", V1Patch.PATCH_FORMAT_JSON_MERGE_PATCH, new V1Patch("{\"spec\":{\"size\":\"x\"}}"));
    check(wrong.getHttpStatusCode() == 422 && wrong.getStatus().getMessage().contains("must be of type integer"), wrong.getStatus());
    definitions.delete("beans.java.example.com").throwsApiException();
    System.out.println("dynamic ok");
  }

  static V1ConfigMap map(String name, String value) {
    return new V1ConfigMap().metadata(new V1ObjectMeta().name(name)).data(Map.of("a", value));
  }

  static V1ObjectMeta labelled(String name) {
    return new V1ObjectMeta().name(name).labels(Map.of("app", "java"));
  }

  static V1PodSpec pod(String... command) {
    return new V1PodSpec().containers(List.of(new V1Container().name("c").image("busybox").command(List.of(command))));
  }

  static DynamicKubernetesObject dynamic(String text) {
    return new DynamicKubernetesObject(JsonParser.parseString(text).getAsJsonObject());
  }

  static Map<String, String> patched(String format, String patch) throws ApiException {
    var call = core.patchNamespacedConfigMap("patched", namespace, new V1Patch(patch));
    return PatchUtils.patch(V1ConfigMap.class, () -> call.buildCall(null), format, cluster).getData();
  }

  static Map<String, String> applied(String manager, String value, boolean force) throws ApiException {
    String body = "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"applied\"},\"data\":{\"a\":\"" + value + "\"}}";
    var call = core.patchNamespacedConfigMap("applied", namespace, new V1Patch(body)).fieldManager(manager).force(force);
    return PatchUtils.patch(V1ConfigMap.class, () -> call.buildCall(null), V1Patch.PATCH_FORMAT_APPLY_YAML, cluster).getData();
  }

  /** The pod, once its phase is this one. */
  static V1Pod phase(String name, String phase) throws Exception {
    V1Pod pod = null;
    for (int i = 0; i < 300; i++, Thread.sleep(100)) {
      pod = core.readNamespacedPod(name, namespace).execute();
      if (phase.equals(pod.getStatus().getPhase())) return pod;
    }
    throw new AssertionError(name + " was never " + phase + ": " + pod);
  }

  interface Call {
    void run() throws ApiException;
  }

  /** The call fails with that code and reason. */
  static void refused(int code, String reason, Call call) {
    try {
      call.run();
    } catch (ApiException error) {
      String body = String.valueOf(error.getResponseBody());
      check(error.getCode() == code && body.contains("\"reason\":\"" + reason + "\""), error.getCode() + " " + body);
      return;
    }
    throw new AssertionError("not refused with " + code + " " + reason);
  }
}
