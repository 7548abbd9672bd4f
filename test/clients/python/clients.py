"""What Python programs do with a cluster, through the package kubernetes: `clients.py KUBECONFIG NAMESPACE`. Prints a line for each part."""

import sys
import threading
import time
import uuid

from kubernetes import client, config, dynamic, watch
from kubernetes.client.rest import ApiException
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.configmaplock import ConfigMapLock

kubeconfig, namespace = sys.argv[1:]
config.load_kube_config(kubeconfig)
core = client.CoreV1Api()
apps = client.AppsV1Api()


def refused(code, reason, call, *args, **kwargs):
    """The call fails with that code and reason."""
    try:
        call(*args, **kwargs)
    except ApiException as error:
        assert error.status == code and f'"reason":"{reason}"' in error.body, (error.status, error.body)
        return
    raise AssertionError(f"not refused with {code} {reason}")


def crud():
    metadata = client.V1ObjectMeta(name="settings", labels={"app": "python"})
    made = core.create_namespaced_config_map(namespace, client.V1ConfigMap(metadata=metadata, data={"a": "1"}))
    assert made.metadata.uid and made.metadata.creation_timestamp.tzinfo
    refused(409, "AlreadyExists", core.create_namespaced_config_map, namespace, client.V1ConfigMap(metadata=metadata))
    made.data["a"] = "2"
    assert core.replace_namespaced_config_map("settings", namespace, made).data == {"a": "2"}
    refused(409, "Conflict", core.replace_namespaced_config_map, "settings", namespace, made)
    listed = core.list_namespaced_config_map(namespace, label_selector="app=python")
    assert [item.metadata.name for item in listed.items] == ["settings"] and listed.metadata.resource_version
    core.delete_namespaced_config_map("settings", namespace)
    refused(404, "NotFound", core.read_namespaced_config_map, "settings", namespace)


def patches():
    core.create_namespaced_config_map(namespace, {"metadata": {"name": "patched"}, "data": {"a": "1", "b": "2"}})
    assert core.patch_namespaced_config_map("patched", namespace, {"data": {"a": "2"}}).data == {"a": "2", "b": "2"}
    operations = [{"op": "remove", "path": "/data/b"}]
    assert core.patch_namespaced_config_map("patched", namespace, operations).data == {"a": "2"}
    core.delete_namespaced_config_map("patched", namespace)


def watching():
    events = watch.Watch()
    seen = []

    def change():
        core.create_namespaced_config_map(namespace, {"metadata": {"name": "watched"}, "data": {"a": "1"}})
        core.patch_namespaced_config_map("watched", namespace, {"data": {"a": "2"}})
        core.delete_namespaced_config_map("watched", namespace)

    start = core.list_namespaced_config_map(namespace).metadata.resource_version
    changes = threading.Thread(target=change)
    changes.start()
    for event in events.stream(core.list_namespaced_config_map, namespace, resource_version=start, timeout_seconds=30):
        seen.append((event["type"], event["object"].data))
        if event["type"] == "DELETED":
            events.stop()
    changes.join()
    assert seen == [("ADDED", {"a": "1"}), ("MODIFIED", {"a": "2"}), ("DELETED", {"a": "2"})], seen


def deployments():
    labels = {"app": "web"}
    container = client.V1Container(name="web", image="nginx", ports=[client.V1ContainerPort(container_port=80)])
    template = client.V1PodTemplateSpec(metadata=client.V1ObjectMeta(labels=labels), spec=client.V1PodSpec(containers=[container]))
    spec = client.V1DeploymentSpec(replicas=2, selector=client.V1LabelSelector(match_labels=labels), template=template)
    apps.create_namespaced_deployment(namespace, client.V1Deployment(metadata=client.V1ObjectMeta(name="web"), spec=spec))
    for event in watch.Watch().stream(apps.list_namespaced_deployment, namespace, timeout_seconds=30):
        if event["object"].status.ready_replicas == 2:
            break
    else:
        raise AssertionError("the Deployment was never ready")
    scale = apps.patch_namespaced_deployment_scale("web", namespace, {"spec": {"replicas": 1}})
    assert scale.spec.replicas == 1
    pods = core.list_namespaced_pod(namespace, label_selector="app=web").items
    assert all(pod.metadata.owner_references[0].kind == "ReplicaSet" for pod in pods)
    apps.delete_namespaced_deployment("web", namespace, propagation_policy="Foreground")


def dynamic_client():
    cluster = dynamic.DynamicClient(client.ApiClient())
    maps = cluster.resources.get(api_version="v1", kind="ConfigMap")

    def applied(value, **options):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": {"a": value}}
        return maps.server_side_apply(body=body, name="applied", namespace=namespace, **options)

    assert applied("1", field_manager="one").data.a == "1"
    try:
        applied("2", field_manager="two")
        raise AssertionError("no conflict")
    except dynamic.exceptions.ConflictError as error:
        assert 'conflict with \\"one\\"' in str(error.body), error.body
    assert applied("2", field_manager="two", force_conflicts=True).data.a == "2"
    definitions = cluster.resources.get(api_version="apiextensions.k8s.io/v1", kind="CustomResourceDefinition")
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec = {"group": "python.example.com", "scope": "Namespaced", "names": {"plural": "snakes", "kind": "Snake"}, "versions": [version]}
    name = "snakes.python.example.com"
    definitions.create(body={"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name}, "spec": spec})
    cluster = dynamic.DynamicClient(client.ApiClient())
    snakes = cluster.resources.get(api_version="python.example.com/v1", kind="Snake")
    snakes.create(body={"apiVersion": "python.example.com/v1", "kind": "Snake", "metadata": {"name": "long"}, "spec": {"size": 3}}, namespace=namespace)
    assert snakes.get(name="long", namespace=namespace).spec.size == 3
    try:
        snakes.patch(body={"spec": {"size": "x"}}, name="long", namespace=namespace, content_type="application/merge-patch+json")
        raise AssertionError("a text was taken for a number")
    except dynamic.exceptions.UnprocessibleEntityError as error:
        assert "spec.size in body must be of type integer" in str(error.body), error.body
    definitions.delete(name=name)


def leader_election():
    led = []
    lock = ConfigMapLock("election", namespace, uuid.uuid4().hex)
    lead = lambda: led.append(time.monotonic())
    settings = electionconfig.Config(lock, lease_duration=4, renew_deadline=3, retry_period=1, onstarted_leading=lead, onstopped_leading=None)
    election = threading.Thread(target=leaderelection.LeaderElection(settings).run, daemon=True)
    election.start()
    end = time.monotonic() + 20
    while not led and time.monotonic() < end:
        time.sleep(0.05)
    assert led, "nobody leads"
    record = core.read_namespaced_config_map("election", namespace).metadata.annotations["control-plane.alpha.kubernetes.io/leader"]
    assert lock.identity in record


for part in (crud, patches, watching, deployments, dynamic_client, leader_election):
    part()
    print(part.__name__, "ok", flush=True)
