package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// leaderElection has two candidates for one Lease: only one leads, and the other follows when it lets go.
func leaderElection(ctx context.Context, config *rest.Config, namespace string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	var leaders atomic.Int32
	var lastLeader atomic.Value
	campaign := func(ctx context.Context, identity string) error {
		elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock: &resourcelock.LeaseLock{
				LeaseMeta:  metav1.ObjectMeta{Name: "election", Namespace: namespace},
				Client:     client.CoordinationV1(),
				LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
			},
			LeaseDuration: 5 * time.Second, RenewDeadline: 3 * time.Second, RetryPeriod: 200 * time.Millisecond, ReleaseOnCancel: true,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(context.Context) { leaders.Add(1); lastLeader.Store(identity) },
				OnStoppedLeading: func() {
					if lastLeader.Load() == identity {
						leaders.Add(-1)
					}
				},
			},
		})
		if err != nil {
			return err
		}
		go elector.Run(ctx)
		return nil
	}
	first, resign := context.WithCancel(ctx)
	defer resign()
	if err := campaign(first, "one"); err != nil {
		return err
	}
	if err := until(ctx, func() bool { return lastLeader.Load() == "one" }); err != nil {
		return fmt.Errorf("nobody leads: %w", err)
	}
	if err := campaign(ctx, "two"); err != nil {
		return err
	}
	lease, err := client.CoordinationV1().Leases(namespace).Get(ctx, "election", metav1.GetOptions{})
	if err != nil || *lease.Spec.HolderIdentity != "one" || leaders.Load() != 1 {
		return fmt.Errorf("the lease is not the first candidate's alone: %v, %v", lease, err)
	}
	resign()
	if err := until(ctx, func() bool { return lastLeader.Load() == "two" }); err != nil {
		return fmt.Errorf("the second candidate did not follow: %w", err)
	}
	return nil
}
