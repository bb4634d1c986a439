package local

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	searchv1alpha1 "github.com/seatrial/seatrial/api/search/v1alpha1"
	"github.com/seatrial/seatrial/apiserver"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/embedded"
	"github.com/seatrial/seatrial/fleet/embedded/process"
	"github.com/seatrial/seatrial/registration"
)

// UpOptions say what to bring up.
type UpOptions struct {
	// Members is how many member clusters there shall be at least, 1 to MaxMembers. Those that exist beyond that come up too.
	Members int
	// Example rolls out the example workload.
	Example bool
	// Estimators runs an estimator beside each member, and makes the scheduler ask them. Where an earlier Up did, they come up too.
	Estimators bool
	// Timeout bounds the whole of Up.
	Timeout time.Duration
	// Flags are given to components, by their subcommand, beside those that Up needs itself.
	Flags map[string][]string
}

// MaxMembers is the largest fleet that Up makes: every member takes some 350 MiB of memory.
const MaxMembers = 20

// diskPerCluster is what a cluster writes before it is of use; etcd alone sets 128 MiB of log aside.
const diskPerCluster = 256 << 20

// up is one run of Up.
type up struct {
	*Installation
	options  UpOptions
	progress *Progress

	fleet      *embedded.Fleet
	executable program
	// started waits for clusters that are being started; without names, for all.
	started func(names ...string) error
	// plane and config reach the control plane once its cluster runs.
	plane  client.Client
	config *rest.Config
	// clients reach the members directly.
	clients map[string]client.Client
}

// step is one line of the progress. components are those whose logs tell why it may have failed, estimator and
// agent standing for all of them.
type step struct {
	name       string
	components []string
	do         func(ctx context.Context, say func(string)) error
}

// Up makes the installation run: what runs is left alone, what died is started again, what is missing is made. An error names the
// step that failed; Up again goes on from there. When ctx ends, it stops waiting and leaves what runs.
func (i *Installation) Up(ctx context.Context, options UpOptions, progress *Progress) error {
	if options.Members < 1 || options.Members > MaxMembers {
		return fmt.Errorf("%d members: a fleet has 1 to %d", options.Members, MaxMembers)
	}
	if err := os.MkdirAll(i.dir, 0o700); err != nil {
		return fmt.Errorf("making the state folder: %w", err)
	}
	unlock, err := i.lock()
	if err != nil {
		return err
	}
	defer unlock()
	ctx, cancel := context.WithTimeoutCause(ctx, options.Timeout, fmt.Errorf("not done within %s (see --timeout)", options.Timeout))
	defer cancel()
	u := &up{Installation: i, options: options, progress: progress, clients: map[string]client.Client{}}
	if u.fleet, err = i.Fleet(); err != nil {
		return err
	}
	known, err := i.estimators()
	if err != nil {
		return err
	}
	u.options.Estimators = options.Estimators || len(known) > 0
	defer func() {
		if u.started != nil {
			// Of an error that matters a step has told.
			cancel()
			_ = u.started()
		}
	}()
	for _, s := range u.steps() {
		if err := progress.Step(s.name, func(say func(string)) error { return s.do(ctx, say) }); err != nil {
			return u.explain(ctx, s, err)
		}
	}
	return nil
}

func (u *up) steps() []step {
	all := []step{
		{"checking the machine", nil, u.check},
		{"starting the control plane", nil, u.startPlane},
		{"installing kinds", nil, u.installKinds},
		{"starting the server of clusters and admission", []string{apiServer, webhookServer}, u.startServers},
		{"starting members", nil, func(context.Context, func(string)) error { return u.started() }},
	}
	if u.options.Estimators {
		all = append(all, step{"starting estimators", []string{estimator}, u.startEstimators})
	}
	all = append(all, []step{
		{"starting controllers and scheduler", []string{controllerManager, schedulerName}, u.startControllers},
		{"joining members", []string{apiServer}, u.join},
		{"starting agents", []string{controllerManager, agentName}, u.startAgents},
		{"waiting for members to be ready", []string{controllerManager}, u.awaitMembers},
	}...)
	if u.options.Example {
		all = append(all, step{"rolling out nginx", []string{controllerManager, schedulerName}, u.rollOut})
	}
	return all
}

// check finds out in advance what would fail halfway: no cluster binary, no room on the disk.
func (u *up) check(ctx context.Context, say func(string)) error {
	var err error
	if u.executable, err = readProgram(u.program); err != nil {
		return err
	}
	if u.clusterBinary == "" {
		if _, err := embedded.FindBinary(); err != nil {
			say("building the cluster binary, which takes minutes the first time")
			if buildErr := embedded.BuildBinary(ctx, "", u.progress); buildErr != nil {
				return errors.Join(err, buildErr)
			}
		}
	}
	wanted, err := u.specs(ctx)
	if err != nil {
		return err
	}
	present, err := u.fleet.Clusters(ctx)
	if err != nil {
		return err
	}
	free, err := freeSpace(u.dir)
	if err != nil {
		return err
	}
	if need := uint64(len(wanted)-len(present)) * diskPerCluster; free < need {
		return fmt.Errorf("the disk of %s has %d MiB left, and %d new clusters need %d MiB: make room, or choose another folder with --state-dir",
			u.dir, free>>20, len(wanted)-len(present), need>>20)
	}
	return nil
}

// specs are those of the clusters that exist, and the ones to make.
func (u *up) specs(ctx context.Context) ([]fleet.Spec, error) {
	present, err := u.fleet.Clusters(ctx)
	if err != nil {
		return nil, err
	}
	var all []fleet.Spec
	for _, cluster := range present {
		all = append(all, cluster.Spec)
	}
	for _, spec := range fleetSpecs(u.options.Members) {
		if !slices.ContainsFunc(all, func(known fleet.Spec) bool { return known.Name == spec.Name }) {
			all = append(all, spec)
		}
	}
	return all, nil
}

// fleetSpecs are the control plane and as many members: the default ones first, then more like them, two in each further region.
func fleetSpecs(members int) []fleet.Spec {
	specs := embedded.DefaultSpecs()
	defaults := len(specs) - 1
	for n := defaults + 1; n <= members; n++ {
		like := specs[1+(n-1)%defaults]
		like.Name = fmt.Sprintf("member%d", n)
		like.Region = fmt.Sprintf("region-%d", n/2+1)
		like.Zones = []string{like.Region + "-a", like.Region + "-b", like.Region + "-c"}
		specs = append(specs, like)
	}
	return specs[:1+members]
}

// startPlane starts all clusters and waits for the control plane alone: members need longer, and nothing needs them until they join.
func (u *up) startPlane(ctx context.Context, _ func(string)) error {
	specs, err := u.specs(ctx)
	if err != nil {
		return err
	}
	if u.started, err = u.fleet.Start(ctx, specs...); err != nil {
		return err
	}
	if err := u.started(fleet.ControlPlaneName); err != nil {
		return err
	}
	if u.config, err = u.fleet.RESTConfig(fleet.ControlPlaneName); err != nil {
		return err
	}
	u.plane, err = u.fleet.Client(ctx, fleet.ControlPlaneName)
	return err
}

func (u *up) installKinds(ctx context.Context, say func(string)) error {
	if err := createNamespaces(ctx, u.plane); err != nil {
		return err
	}
	if err := openMembers(ctx, u.plane); err != nil {
		return err
	}
	files, err := u.fleet.Files(fleet.ControlPlaneName)
	if err != nil {
		return err
	}
	ca, err := readCA(files)
	if err != nil {
		return err
	}
	if err := registration.OpenPlane(ctx, u.plane, u.config.Host, ca); err != nil {
		return err
	}
	return InstallKinds(ctx, u.plane, say)
}

// startServers starts what serves Clusters and what judges writes, and makes the control plane ask both.
func (u *up) startServers(ctx context.Context, say func(string)) error {
	files, err := u.fleet.Files(fleet.ControlPlaneName)
	if err != nil {
		return err
	}
	l, err := u.apiServerLaunch(files)
	if err != nil {
		return err
	}
	admission, err := u.webhookLaunch()
	if err != nil {
		return err
	}
	if err := u.start(ctx, say, map[string]launch{apiServer: l, webhookServer: admission}); err != nil {
		return err
	}
	ca, err := readCA(files)
	if err != nil {
		return err
	}
	r, err := u.component(apiServer).record()
	if err != nil {
		return err
	}
	if err := apiserver.Register(ctx, u.config, loopback(r.Ports[0]), ca, searchv1alpha1.GroupVersion); err != nil {
		return err
	}
	if err := apiserver.WaitAvailable(ctx, u.config, searchv1alpha1.GroupVersion); err != nil {
		return err
	}
	return u.awaitDiscovery(ctx, say)
}

// readCA reads the CA of a control plane, in PEM.
func readCA(plane embedded.Files) ([]byte, error) {
	ca, err := os.ReadFile(plane.CA.Cert)
	if err != nil {
		return nil, fmt.Errorf("reading the CA of the control plane: %w", err)
	}
	return ca, nil
}

// awaitDiscovery waits until the control plane's discovery is whole. It lists a new group before its kinds, and a component that
// starts in between ends with an error.
func (u *up) awaitDiscovery(ctx context.Context, say func(string)) error {
	discovered, err := discovery.NewDiscoveryClientForConfig(u.config)
	if err != nil {
		return fmt.Errorf("making a discovery client of the control plane: %w", err)
	}
	return await(ctx, say, func(context.Context) (string, error) {
		if _, _, err := discovered.ServerGroupsAndResources(); err != nil {
			return "discovery is not whole", fmt.Errorf("discovering the kinds of the control plane: %w", err)
		}
		return "", nil
	})
}

func (u *up) startControllers(ctx context.Context, say func(string)) error {
	var access []string
	var err error
	if u.options.Estimators {
		if access, err = u.estimatorAccess(); err != nil {
			return err
		}
	}
	launches := map[string]launch{}
	if launches[controllerManager], err = u.controllerLaunch(controllerManager); err != nil {
		return err
	}
	if launches[schedulerName], err = u.controllerLaunch(schedulerName, access...); err != nil {
		return err
	}
	return u.start(ctx, say, launches)
}

// start makes the components run and waits until each says that it works.
func (u *up) start(ctx context.Context, say func(string), launches map[string]launch) error {
	started := slices.Sorted(maps.Keys(launches))
	for _, name := range started {
		taken, err := u.portsBeside(name)
		if err != nil {
			return err
		}
		free := func(port int) bool { return !slices.Contains(taken, port) && portFree(port) }
		if err := u.component(name).ensure(ctx, launches[name], free); err != nil {
			return err
		}
	}
	return await(ctx, say, func(ctx context.Context) (string, error) {
		for _, name := range started {
			if err := u.component(name).healthy(ctx); err != nil {
				return name + " is not ready", err
			}
		}
		return "", nil
	})
}

// portsBeside are the ports of all other components: one that has just been started may not listen yet.
func (u *up) portsBeside(name string) ([]int, error) {
	names, err := u.components()
	if err != nil {
		return nil, err
	}
	var taken []int
	for _, other := range names {
		if other == name {
			continue
		}
		r, err := u.component(other).record()
		if err != nil {
			return nil, err
		}
		taken = append(taken, r.Ports...)
	}
	return taken, nil
}

// await waits as long as all components run: without them nothing would come of it.
func (u *up) await(ctx context.Context, say func(string), ask func(context.Context) (string, error)) error {
	return await(ctx, say, func(ctx context.Context) (string, error) {
		names, err := u.components()
		if err != nil {
			return "", err
		}
		for _, name := range names {
			r, err := u.component(name).record()
			if err != nil {
				return "", err
			}
			if r.Process.State() == process.Gone {
				return "", finalError{fmt.Errorf("%s ended by itself", name)}
			}
		}
		return ask(ctx)
	})
}

// logLines is how much of a log an error shows.
const logLines = 8

// explain names the step that failed and shows the logs that tell why; a stop that the user asked for is not a failure.
func (u *up) explain(ctx context.Context, s step, err error) error {
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return fmt.Errorf("interrupted while %s: run it again to go on, or end what runs with `seatrial down`", s.name)
	}
	names := s.components
	for _, beside := range []string{estimator, agentName} {
		if at := slices.Index(names, beside); at >= 0 {
			if found, listErr := u.besideMembers(beside + "-"); listErr == nil {
				names = slices.Replace(slices.Clone(names), at, at+1, found...)
			}
		}
	}
	var text strings.Builder
	for _, name := range names {
		log := u.component(name).log()
		if tail := lastLines(process.LogTail(log, 0), logLines); tail != "" {
			fmt.Fprintf(&text, "\n%s's log, %s, ends in:\n%s", name, log, tail)
		}
	}
	return fmt.Errorf("%s: %w%s", s.name, err, text.String())
}

func lastLines(text string, count int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(len(lines)-count, 0):], "\n")
}
