// Package main is what Go programs do with a cluster, through client-go and controller-runtime: `clients KUBECONFIG NAMESPACE SCENARIO...`.
// Each scenario ends with a line of its name and "ok", or with the error that ended it and exit code 1.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Scenario is one thing that programs do. It ends when the context does.
type scenario func(ctx context.Context, config *rest.Config, namespace string) error

var scenarios = map[string]scenario{
	"watch":            watchAndProtobuf,
	"leader-election":  leaderElection,
	"dynamic-informer": dynamicInformer,
	"apply":            serverSideApply,
	"manager":          manager,
}

func main() {
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[1])
	if err != nil {
		fail("kubeconfig", err)
	}
	config.QPS, config.Burst = 200, 200
	for _, name := range os.Args[3:] {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		if err := scenarios[name](ctx, rest.CopyConfig(config), os.Args[2]); err != nil {
			fail(name, err)
		}
		cancel()
		fmt.Println(name, "ok")
	}
}

func fail(what string, err error) {
	fmt.Fprintln(os.Stderr, what+":", err)
	os.Exit(1)
}

// until looks again until the condition holds.
func until(ctx context.Context, holds func() bool) error {
	for !holds() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}
