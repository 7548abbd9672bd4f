package main

import (
	"context"
	"fmt"
	"net"
	"os"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

var greetingKind = schema.GroupVersionKind{Group: "clients.example.com", Version: "v1", Kind: "Greeting"}

// manager is an operator as most are: it reconciles a custom resource into a ConfigMap that it owns, tells what it did in the status,
// and a webhook of its own refuses what it cannot do. The definition is there already; the webhook's certificate comes by the environment.
func manager(ctx context.Context, config *rest.Config, namespace string) error {
	ctrl.SetLogger(klog.NewKlogr())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	hooks := webhook.NewServer(webhook.Options{Host: "127.0.0.1", Port: port, CertDir: os.Getenv("WEBHOOK_CERTIFICATES")})
	operator, err := ctrl.NewManager(config, ctrl.Options{
		Metrics:          server.Options{BindAddress: "0"},
		WebhookServer:    hooks,
		LeaderElection:   true,
		LeaderElectionID: "greeter", LeaderElectionNamespace: namespace, LeaderElectionReleaseOnCancel: true,
		Cache: cache.Options{DefaultNamespaces: map[string]cache.Config{namespace: {}}},
	})
	if err != nil {
		return err
	}
	greeting := &unstructured.Unstructured{}
	greeting.SetGroupVersionKind(greetingKind)
	reconciler := &greeter{operator.GetClient()}
	if err := ctrl.NewControllerManagedBy(operator).For(greeting).Owns(&corev1.ConfigMap{}).Complete(reconciler); err != nil {
		return err
	}
	operator.GetWebhookServer().Register("/validate", &webhook.Admission{Handler: admission.HandlerFunc(refuseSilence)})
	stopped := make(chan error, 1)
	running, stop := context.WithCancel(ctx)
	go func() { stopped <- operator.Start(running) }()
	if err := useOperator(ctx, config, namespace, port); err != nil {
		return err
	}
	stop()
	return <-stopped
}

type greeter struct{ client.Client }

func (g *greeter) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	greeting := &unstructured.Unstructured{}
	greeting.SetGroupVersionKind(greetingKind)
	if err := g.Get(ctx, request.NamespacedName, greeting); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	text, _, _ := unstructured.NestedString(greeting.Object, "spec", "text")
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: request.Name, Namespace: request.Namespace}}
	_, err := controllerutil.CreateOrUpdate(ctx, g.Client, object, func() error {
		object.Data = map[string]string{"text": text}
		return controllerutil.SetControllerReference(greeting, object, g.Scheme())
	})
	if err != nil {
		return reconcile.Result{}, err
	}
	if err := unstructured.SetNestedField(greeting.Object, text, "status", "said"); err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{}, g.Status().Update(ctx, greeting)
}

func refuseSilence(_ context.Context, request admission.Request) admission.Response {
	greeting := &unstructured.Unstructured{}
	if err := greeting.UnmarshalJSON(request.Object.Raw); err != nil {
		return admission.Errored(400, err)
	}
	if text, _, _ := unstructured.NestedString(greeting.Object, "spec", "text"); text == "" {
		return admission.Denied("a greeting says something")
	}
	return admission.Allowed("")
}

// useOperator is its user: makes a greeting, is refused another, and deletes the first.
func useOperator(ctx context.Context, config *rest.Config, namespace string, port int) error {
	user, err := client.New(config, client.Options{})
	if err != nil {
		return err
	}
	authority, err := os.ReadFile(os.Getenv("WEBHOOK_CERTIFICATES") + "/ca.crt")
	if err != nil {
		return err
	}
	url := fmt.Sprintf("https://127.0.0.1:%d/validate", port)
	none := admissionv1.SideEffectClassNone
	hook := admissionv1.ValidatingWebhook{
		Name: "silence.clients.example.com", SideEffects: &none, AdmissionReviewVersions: []string{"v1"},
		ClientConfig: admissionv1.WebhookClientConfig{URL: &url, CABundle: authority},
		Rules: []admissionv1.RuleWithOperations{{Operations: []admissionv1.OperationType{"CREATE"},
			Rule: admissionv1.Rule{APIGroups: []string{greetingKind.Group}, APIVersions: []string{"v1"}, Resources: []string{"greetings"}}}},
	}
	webhooks := &admissionv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "greeter"}, Webhooks: []admissionv1.ValidatingWebhook{hook}}
	if err := user.Create(ctx, webhooks); err != nil {
		return err
	}
	defer user.Delete(context.Background(), webhooks)
	greet := func(name, text string) (*unstructured.Unstructured, error) {
		greeting := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"text": text}}}
		greeting.SetGroupVersionKind(greetingKind)
		greeting.SetName(name)
		greeting.SetNamespace(namespace)
		return greeting, user.Create(ctx, greeting)
	}
	var refused error
	if err := until(ctx, func() bool {
		_, refused = greet("silent", "")
		return apierrors.IsForbidden(refused)
	}); err != nil {
		return fmt.Errorf("the webhook was not asked: %w, %v", err, refused)
	}
	if want := `admission webhook "silence.clients.example.com" denied the request: a greeting says something`; refused.Error() != want {
		return fmt.Errorf("refused with %q", refused)
	}
	greeting, err := greet("hello", "hello")
	if err != nil {
		return err
	}
	key := client.ObjectKeyFromObject(greeting)
	if err := until(ctx, func() bool {
		_ = user.Get(ctx, key, greeting)
		said, _, _ := unstructured.NestedString(greeting.Object, "status", "said")
		return said == "hello"
	}); err != nil {
		return fmt.Errorf("the status never told it: %w", err)
	}
	object := &corev1.ConfigMap{}
	if err := user.Get(ctx, key, object); err != nil || object.Data["text"] != "hello" {
		return fmt.Errorf("the ConfigMap is %v: %v", object.Data, err)
	}
	if err := user.Delete(ctx, greeting); err != nil {
		return err
	}
	if err := until(ctx, func() bool { return apierrors.IsNotFound(user.Get(ctx, key, object)) }); err != nil {
		return fmt.Errorf("what it owned stays: %w", err)
	}
	return nil
}
