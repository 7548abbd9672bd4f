package main

import (
	"context"
	"fmt"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	applycore "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// watchAndProtobuf watches config maps in protobuf, with what happens to one of them, and an error as the API's type.
func watchAndProtobuf(ctx context.Context, config *rest.Config, namespace string) error {
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	maps := client.CoreV1().ConfigMaps(namespace)
	events, err := maps.Watch(ctx, metav1.ListOptions{LabelSelector: "watched=yes"})
	if err != nil {
		return err
	}
	defer events.Stop()
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "watched", Labels: map[string]string{"watched": "yes"}}, Data: map[string]string{"a": "1"}, BinaryData: map[string][]byte{"b": {0, 255}}}
	made, err := maps.Create(ctx, object, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	made.Data["a"] = "2"
	if _, err := maps.Update(ctx, made, metav1.UpdateOptions{}); err != nil {
		return err
	}
	if _, err := maps.Update(ctx, made, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		return fmt.Errorf("an old version was not refused: %v", err)
	}
	if _, err := maps.Patch(ctx, "watched", types.JSONPatchType, []byte(`[{"op":"replace","path":"/data/a","value":"3"}]`), metav1.PatchOptions{}); err != nil {
		return err
	}
	if err := maps.Delete(ctx, "watched", metav1.DeleteOptions{}); err != nil {
		return err
	}
	for _, want := range []struct {
		kind watch.EventType
		a    string
	}{{watch.Added, "1"}, {watch.Modified, "2"}, {watch.Modified, "3"}, {watch.Deleted, "3"}} {
		event := <-events.ResultChan()
		object, isMap := event.Object.(*corev1.ConfigMap)
		if event.Type != want.kind || !isMap || object.Data["a"] != want.a || len(object.BinaryData["b"]) != 2 {
			return fmt.Errorf("%v came in place of %v", event, want)
		}
	}
	return nil
}

// dynamicInformer keeps a cache of Deployments without their types, and sees them come, change and go.
func dynamicInformer(ctx context.Context, config *rest.Config, namespace string) error {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	resource := schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(client, 0, namespace, nil)
	informer := factory.ForResource(resource)
	var added, updated, deleted atomic.Int32
	_, err = informer.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { added.Add(1) },
		UpdateFunc: func(any, any) { updated.Add(1) },
		DeleteFunc: func(any) { deleted.Add(1) },
	})
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	container := map[string]any{"name": "c", "image": "nginx"}
	labels := map[string]any{"app": "dynamic"}
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "dynamic"},
		"spec": map[string]any{"replicas": int64(1), "selector": map[string]any{"matchLabels": labels},
			"template": map[string]any{"metadata": map[string]any{"labels": labels}, "spec": map[string]any{"containers": []any{container}}}},
	}}
	deployments := client.Resource(resource).Namespace(namespace)
	if _, err := deployments.Create(ctx, object, metav1.CreateOptions{}); err != nil {
		return err
	}
	if err := until(ctx, func() bool {
		cached, err := informer.Lister().ByNamespace(namespace).Get("dynamic")
		if err != nil {
			return false
		}
		ready, _, _ := unstructured.NestedInt64(cached.(*unstructured.Unstructured).Object, "status", "readyReplicas")
		return ready == 1
	}); err != nil {
		return fmt.Errorf("the cache never had the ready Deployment: %w", err)
	}
	if err := deployments.Delete(ctx, "dynamic", metav1.DeleteOptions{}); err != nil {
		return err
	}
	if err := until(ctx, func() bool { return deleted.Load() == 1 }); err != nil {
		return fmt.Errorf("the deletion was not told: %w", err)
	}
	if added.Load() != 1 || updated.Load() == 0 {
		return fmt.Errorf("%d came, %d changed", added.Load(), updated.Load())
	}
	return nil
}

// serverSideApply applies with two managers: a conflict names the other, and force takes the field over.
func serverSideApply(ctx context.Context, config *rest.Config, namespace string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	maps := client.CoreV1().ConfigMaps(namespace)
	wanted := func(value string) *applycore.ConfigMapApplyConfiguration {
		return applycore.ConfigMap("applied", namespace).WithData(map[string]string{"a": value})
	}
	if _, err := maps.Apply(ctx, wanted("1"), metav1.ApplyOptions{FieldManager: "one"}); err != nil {
		return err
	}
	_, err = maps.Apply(ctx, wanted("2"), metav1.ApplyOptions{FieldManager: "two"})
	if want := `Apply failed with 1 conflict: conflict with "one": .data.a`; !apierrors.IsConflict(err) || err.Error() != want {
		return fmt.Errorf("%v in place of a conflict", err)
	}
	applied, err := maps.Apply(ctx, wanted("2"), metav1.ApplyOptions{FieldManager: "two", Force: true})
	if err != nil {
		return err
	}
	own, err := applycore.ExtractConfigMap(applied, "two")
	if err != nil || own.Data["a"] != "2" {
		return fmt.Errorf("the second manager owns %v: %v", own, err)
	}
	return maps.Delete(ctx, "applied", metav1.DeleteOptions{})
}
