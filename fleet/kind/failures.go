package kind

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seatrial/seatrial/fleet"
)

// Pause implements fleet.Environment. It freezes all processes of the node.
func (f *Fleet) Pause(ctx context.Context, cluster string) error {
	return f.change(ctx, cluster, "pausing", func(r record, seen container) error {
		switch seen.state() {
		case fleet.Paused:
			return nil
		case fleet.Stopped:
			return errStopped
		default:
			return f.freeze(ctx, r)
		}
	})
}

const (
	freezeAttempts = 20
	freezePause    = 250 * time.Millisecond
	// unfrozen is what a runtime says that found processes running at each of its looks, which a busy machine makes likely under
	// cgroup v1. It has let all of them go on then.
	unfrozen = "unable to freeze"
)

func (f *Fleet) freeze(ctx context.Context, r record) error {
	for attempt := 1; ; attempt++ {
		err := f.docker.do(ctx, "pause", r.container())
		if err == nil || attempt == freezeAttempts || !strings.Contains(err.Error(), unfrozen) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(freezePause):
		}
	}
}

// Resume implements fleet.Environment.
func (f *Fleet) Resume(ctx context.Context, cluster string) error {
	return f.change(ctx, cluster, "resuming", func(r record, seen container) error {
		switch seen.state() {
		case fleet.Stopped:
			return errStopped
		case fleet.Paused:
			if err := f.wake(ctx, r, "unpause"); err != nil {
				return err
			}
		}
		return f.awaitReady(ctx, r)
	})
}

// Kill implements fleet.Environment. It ends all processes of the node at once.
func (f *Fleet) Kill(ctx context.Context, cluster string) error {
	return f.change(ctx, cluster, "killing", func(r record, seen container) error {
		if seen.state() == fleet.Stopped {
			return nil
		}
		return f.docker.do(ctx, "kill", r.container())
	})
}

// Stop ends the cluster in order, as a machine that is shut down. Revive starts it again.
func (f *Fleet) Stop(ctx context.Context, cluster string) error {
	return f.change(ctx, cluster, "stopping", func(r record, seen container) error {
		if seen.state() == fleet.Stopped {
			return nil
		}
		return f.docker.do(ctx, "stop", r.container())
	})
}

// Revive implements fleet.Environment.
func (f *Fleet) Revive(ctx context.Context, cluster string) error {
	return f.change(ctx, cluster, "reviving", func(r record, seen container) error {
		wake := map[fleet.State]string{fleet.Paused: "unpause", fleet.Stopped: "start"}[seen.state()]
		if wake != "" {
			if err := f.wake(ctx, r, wake); err != nil {
				return err
			}
		}
		return f.awaitReady(ctx, r)
	})
}

// Partition implements fleet.Environment: it takes the member out of the link. New calls hang until the sender misses the address's
// owner, which takes seconds, and then say that there is no route. It outlives a kill and a revival.
func (f *Fleet) Partition(ctx context.Context, cluster string) error {
	return f.change(ctx, cluster, "partitioning", func(r record, seen container) error {
		if r.Spec.Role != fleet.Member {
			return errNotMember
		}
		if !seen.linked() {
			return nil
		}
		return f.docker.do(ctx, "network", "disconnect", linkNetwork, r.container())
	})
}

// Heal implements fleet.Environment. The member gets the address it had.
func (f *Fleet) Heal(ctx context.Context, cluster string) error {
	return f.change(ctx, cluster, "healing", func(r record, seen container) error {
		if r.Spec.Role != fleet.Member {
			return errNotMember
		}
		if seen.linked() {
			return nil
		}
		if err := f.link(ctx, r); err != nil {
			return err
		}
		if seen.state() != fleet.Running {
			// Resume and Revive do the rest.
			return nil
		}
		if err := f.closeNode(ctx, r); err != nil {
			return err
		}
		return f.dropConnections(ctx, r)
	})
}

// wake has a container go on that does not run. A started one has lost its rules, and a paused one may have been linked meanwhile.
func (f *Fleet) wake(ctx context.Context, r record, command string) error {
	if err := f.docker.do(ctx, command, r.container()); err != nil {
		return err
	}
	return f.closeNode(ctx, r)
}

// dropConnections ends what was open by the link before it was cut: the ends would find each other again only after a pause that
// grows with the time the link was cut.
func (f *Fleet) dropConnections(ctx context.Context, r record) error {
	return f.docker.do(ctx, "exec", r.container(), "ss", "--kill", "--tcp", "src", r.linkAddress())
}

var (
	errStopped   = errors.New("it is stopped")
	errNotMember = errors.New("it is the control plane; partition members from it")
)

// change does something to a cluster with a look at its container as it is then.
func (f *Fleet) change(ctx context.Context, cluster, doing string, do func(record, container) error) error {
	r, err := f.record(cluster)
	if err != nil {
		return fmt.Errorf("%s a cluster: %w", doing, err)
	}
	seen, err := f.docker.inspect(ctx, r.container())
	if err == nil {
		err = do(r, seen)
	}
	if err != nil {
		return fmt.Errorf("%s cluster %s: %w", doing, cluster, err)
	}
	return nil
}
