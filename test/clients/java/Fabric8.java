import io.fabric8.kubernetes.api.model.*;
import io.fabric8.kubernetes.api.model.apps.DeploymentBuilder;
import io.fabric8.kubernetes.api.model.apiextensions.v1.CustomResourceDefinition;
import io.fabric8.kubernetes.client.*;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.dsl.*;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.fabric8.kubernetes.client.extended.leaderelection.LeaderCallbacks;
import io.fabric8.kubernetes.client.extended.leaderelection.LeaderElectionConfigBuilder;
import io.fabric8.kubernetes.client.extended.leaderelection.resourcelock.LeaseLock;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;

/** What Java programs do with a cluster, through io.fabric8:kubernetes-client: `Fabric8.java KUBECONFIG NAMESPACE`. Prints a line for each part. */
class Fabric8 extends Checks {
  static KubernetesClient cluster;
  static String namespace;

  public static void main(String[] arguments) throws Exception {
    namespace = arguments[1];
    cluster = new KubernetesClientBuilder().withConfig(Config.fromKubeconfig(new File(arguments[0]))).build();
    crud();
    pages();
    patches();
    apply();
    watching();
    informer();
    deployments();
    pods();
    dynamic();
    leaderElection();
    cluster.close();
    System.exit(0);
  }

  static void crud() {
    check(cluster.getKubernetesVersion().getMinor().startsWith("36"), cluster.getKubernetesVersion().getMinor());
    ConfigMap made = cluster.resource(map("settings", "1")).create();
    check(made.getMetadata().getUid() != null, made);
    refused(409, "AlreadyExists", () -> cluster.resource(map("settings", "1")).create());
    ConfigMap edited = maps().withName("settings").edit(map -> new ConfigMapBuilder(map).addToData("b", "2").build());
    check(edited.getData().equals(Map.of("a", "1", "b", "2")), edited);
    refused(409, "Conflict", () -> cluster.resource(made).lockResourceVersion(made.getMetadata().getResourceVersion()).update());
    refused(422, "Invalid", () -> cluster.resource(map("Wrong_Name", "1")).create());
    check(maps().withName("settings").delete().size() == 1, "deleted");
    check(maps().withName("settings").get() == null, "gone");
    System.out.println("crud ok");
  }

  static void pages() {
    for (int i = 0; i < 5; i++) {
      var map = new ConfigMapBuilder(map("page-" + i, "1")).editMetadata().addToLabels("app", "java").endMetadata().build();
      cluster.resource(map).create();
    }
    List<String> names = new ArrayList<>();
    String next = null;
    do {
      ConfigMapList page = maps().withLabel("app", "java").list(new ListOptionsBuilder().withLimit(2L).withContinue(next).build());
      page.getItems().forEach(item -> names.add(item.getMetadata().getName()));
      next = page.getMetadata().getContinue();
    } while (next != null && !next.isEmpty());
    check(names.equals(List.of("page-0", "page-1", "page-2", "page-3", "page-4")), names);
    check(maps().withLabel("app", "java").delete().size() == 5, "all were deleted");
    System.out.println("pages ok");
  }

  static void patches() {
    cluster.resource(map("patched", "1")).create();
    check(patched(PatchType.STRATEGIC_MERGE, "{\"data\":{\"b\":\"2\"}}").equals(Map.of("a", "1", "b", "2")), "strategic merge patch");
    check(patched(PatchType.JSON_MERGE, "{\"data\":{\"b\":null}}").equals(Map.of("a", "1")), "merge patch");
    check(patched(PatchType.JSON, "[{\"op\":\"replace\",\"path\":\"/data/a\",\"value\":\"3\"}]").equals(Map.of("a", "3")), "JSON patch");
    System.out.println("patches ok");
  }

  static void apply() {
    check(cluster.resource(map("applied", "1")).fieldManager("one").serverSideApply().getData().equals(Map.of("a", "1")), "applied");
    refused(409, "Conflict", () -> cluster.resource(map("applied", "2")).fieldManager("two").serverSideApply());
    ConfigMap forced = cluster.resource(map("applied", "2")).fieldManager("two").forceConflicts().serverSideApply();
    check(forced.getData().equals(Map.of("a", "2")), forced);
    System.out.println("apply ok");
  }

  static void watching() throws Exception {
    BlockingQueue<String> seen = new LinkedBlockingQueue<>();
    var watch = maps().withName("watched").watch(new Watcher<ConfigMap>() {
      public void eventReceived(Action action, ConfigMap map) {
        seen.add(action + " " + map.getData().get("a"));
      }

      public void onClose(WatcherException cause) {
        seen.add("closed by " + cause);
      }
    });
    cluster.resource(map("watched", "1")).create();
    cluster.resource(map("watched", "2")).update();
    maps().withName("watched").delete();
    for (String expected : List.of("ADDED 1", "MODIFIED 2", "DELETED 2")) expect(seen, expected);
    watch.close();
    System.out.println("watching ok");
  }

  static void informer() throws Exception {
    BlockingQueue<String> seen = new LinkedBlockingQueue<>();
    cluster.resource(map("informed-before", "1")).create();
    var handler = new ResourceEventHandler<ConfigMap>() {
      public void onAdd(ConfigMap added) {
        tell("added", added);
      }

      public void onUpdate(ConfigMap before, ConfigMap after) {
        tell("updated", after);
      }

      public void onDelete(ConfigMap deleted, boolean unknown) {
        tell("deleted", deleted);
      }

      void tell(String what, ConfigMap map) {
        if (map.getMetadata().getName().startsWith("informed")) seen.add(what + " " + map.getMetadata().getName() + " " + map.getData().get("a"));
      }
    };
    try (var informer = maps().withLimit(2L).inform(handler)) {
      expect(seen, "added informed-before 1");
      cluster.resource(map("informed", "1")).create();
      expect(seen, "added informed 1");
      cluster.resource(map("informed", "2")).update();
      expect(seen, "updated informed 2");
      check(informer.getStore().getByKey(namespace + "/informed").getData().get("a").equals("2"), "the informer's cache");
      maps().withName("informed").delete();
      expect(seen, "deleted informed 2");
    }
    System.out.println("informer ok");
  }

  static void deployments() {
    var web = new DeploymentBuilder()
      .withNewMetadata().withName("web").withNamespace(namespace).endMetadata()
      .withNewSpec().withReplicas(2)
      .withNewSelector().addToMatchLabels("app", "web").endSelector()
      .withNewTemplate().withNewMetadata().addToLabels("app", "web").endMetadata()
      .withSpec(pod("web", "sleep", "1000").getSpec()).endTemplate().endSpec().build();
    cluster.resource(web).create();
    var resource = cluster.apps().deployments().inNamespace(namespace).withName("web");
    resource.waitUntilReady(30, TimeUnit.SECONDS);
    check(resource.scale(1).getSpec().getReplicas() == 1, "the scale");
    var restarted = resource.rolling().restart();
    check(restarted.getSpec().getTemplate().getMetadata().getAnnotations().containsKey("kubectl.kubernetes.io/restartedAt"), restarted);
    resource.delete();
    System.out.println("deployments ok");
  }

  static void pods() throws Exception {
    cluster.resource(new PodBuilder(pod("tells", "echo", "hello", "there")).editSpec().withRestartPolicy("Never").endSpec().build()).create();
    cluster.resource(pod("stays", "sleep", "1000")).create();
    var pods = cluster.pods().inNamespace(namespace);
    pods.withName("tells").waitUntilCondition(pod -> pod.getStatus().getPhase().equals("Succeeded"), 30, TimeUnit.SECONDS);
    pods.withName("stays").waitUntilReady(30, TimeUnit.SECONDS);
    check(pods.withName("tells").getLog().equals("hello there\n"), "the log");
    var output = new ByteArrayOutputStream();
    try (var exec = pods.withName("stays").writingOutput(output).exec("echo", "from within")) {
      check(exec.exitCode().get(30, TimeUnit.SECONDS) == 0 && output.toString().equals("from within\n"), output);
    }
    try (var exec = pods.withName("stays").writingOutput(output).exec("exit", "7")) {
      check(exec.exitCode().get(30, TimeUnit.SECONDS) == 7, "an exit code");
    }
    pods.withName("stays").withGracePeriod(0).delete();
    System.out.println("pods ok");
  }

  static void dynamic() {
    String definition = """
      apiVersion: apiextensions.k8s.io/v1
      kind: CustomResourceDefinition
      metadata: { name: mugs.java.example.com }
      spec:
        group: java.example.com
        scope: Namespaced
        names: { plural: mugs, kind: Mug }
        versions:
          - name: v1
            served: true
            storage: true
            schema: { openAPIV3Schema: { type: object, properties: { spec: { type: object, properties: { size: { type: integer } } } } } }
      """;
    var made = cluster.resource(definition);
    made.create();
    var definitions = cluster.apiextensions().v1().customResourceDefinitions();
    definitions.withName("mugs.java.example.com").waitUntilCondition(Fabric8::isEstablished, 30, TimeUnit.SECONDS);
    var mugs = cluster.genericKubernetesResources("java.example.com/v1", "Mug").inNamespace(namespace);
    String mug = """
      apiVersion: java.example.com/v1
      kind: Mug
      metadata: { name: tall }
      spec: { size: 3 }
      """;
    mugs.load(new ByteArrayInputStream(mug.getBytes())).create();
    GenericKubernetesResource tall = mugs.withName("tall").get();
    check(Integer.valueOf(3).equals(tall.get("spec", "size")), tall);
    refused(422, "Invalid", () -> mugs.withName("tall").patch(PatchContext.of(PatchType.JSON_MERGE), "{\"spec\":{\"size\":\"x\"}}"));
    made.delete();
    System.out.println("dynamic ok");
  }

  static boolean isEstablished(CustomResourceDefinition definition) {
    if (definition.getStatus() == null) return false;
    return definition.getStatus().getConditions().stream().anyMatch(each -> each.getType().equals("Established") && each.getStatus().equals("True"));
  }

  static void leaderElection() throws Exception {
    BlockingQueue<String> seen = new LinkedBlockingQueue<>();
    CompletableFuture<?> first = candidate("first", seen);
    expect(seen, "first leads");
    CompletableFuture<?> second = candidate("second", seen);
    var lease = cluster.leases().inNamespace(namespace).withName("election");
    check("first".equals(lease.get().getSpec().getHolderIdentity()), lease.get());
    first.cancel(true);
    expect(seen, "first stopped");
    expect(seen, "second leads");
    check("second".equals(lease.get().getSpec().getHolderIdentity()), lease.get());
    second.cancel(true);
    System.out.println("leader election ok");
  }

  static CompletableFuture<?> candidate(String identity, BlockingQueue<String> seen) {
    var callbacks = new LeaderCallbacks(() -> seen.add(identity + " leads"), () -> seen.add(identity + " stopped"), leader -> {});
    var config = new LeaderElectionConfigBuilder().withName("election").withLock(new LeaseLock(namespace, "election", identity))
      .withLeaseDuration(Duration.ofSeconds(4)).withRenewDeadline(Duration.ofSeconds(3)).withRetryPeriod(Duration.ofMillis(500))
      .withReleaseOnCancel(true).withLeaderCallbacks(callbacks).build();
    return cluster.leaderElector().withConfig(config).build().start();
  }

  static NonNamespaceOperation<ConfigMap, ConfigMapList, io.fabric8.kubernetes.client.dsl.Resource<ConfigMap>> maps() {
    return cluster.configMaps().inNamespace(namespace);
  }

  static ConfigMap map(String name, String value) {
    return new ConfigMapBuilder().withNewMetadata().withName(name).withNamespace(namespace).endMetadata().addToData("a", value).build();
  }

  static Pod pod(String name, String... command) {
    return new PodBuilder().withNewMetadata().withName(name).withNamespace(namespace).endMetadata()
      .withNewSpec().addNewContainer().withName("c").withImage("busybox").withCommand(command).endContainer().endSpec().build();
  }

  static Map<String, String> patched(PatchType type, String patch) {
    return maps().withName("patched").patch(PatchContext.of(type), patch).getData();
  }

  /** The call fails with that code and reason. */
  static void refused(int code, String reason, Runnable call) {
    try {
      call.run();
    } catch (KubernetesClientException error) {
      check(error.getCode() == code && error.getStatus().getReason().equals(reason), error.getCode() + " " + error.getStatus());
      return;
    }
    throw new AssertionError("not refused with " + code + " " + reason);
  }
}
