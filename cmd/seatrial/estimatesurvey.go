package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/term"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	planescheme "github.com/seatrial/seatrial/api/scheme"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/controllers/live"
	"github.com/seatrial/seatrial/interpreter"
)

// survey asks members: a controller whose turns each read one cluster, once.
type survey struct {
	clusters  []string
	workloads []workloadDemand
	counter   *counter
	done      context.CancelFunc

	mu      sync.Mutex
	answers map[string]clusterAnswers
}

func (s *survey) controller() control.Controller {
	return control.Controller{
		Name:      "estimate",
		Watches:   []control.Watch{{Object: &clusterv1alpha1.Cluster{}, Keys: control.Self}},
		Workers:   8,
		Reconcile: s.reconcile,
	}
}

func (s *survey) reconcile(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	if !slices.Contains(s.clusters, key.Name) || s.answered(key.Name) {
		return control.Result{}, nil
	}
	answers := clusterAnswers{name: key.Name}
	member, err := deps.Members.Member(ctx, key.Name)
	if err == nil {
		var state *clusterState
		if state, err = readMember(ctx, member.Live()); err == nil {
			answers = answer(key.Name, state, s.workloads)
		}
	}
	if err != nil {
		answers.err = err
	}
	s.note(answers)
	return control.Result{}, nil
}

func (s *survey) answered(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, answered := s.answers[name]
	return answered
}

func (s *survey) note(answers clusterAnswers) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[answers.name] = answers
	s.counter.show(len(s.answers), len(s.clusters))
	if len(s.answers) == len(s.clusters) {
		s.done()
	}
}

// found are the answers in the order of the clusters.
func (s *survey) found() []clusterAnswers {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []clusterAnswers
	for _, name := range s.clusters {
		answers, answered := s.answers[name]
		if !answered {
			answers = clusterAnswers{name: name, err: errors.New("it was not read in time")}
		}
		found = append(found, answers)
	}
	return found
}

// askMembers estimates on the members of a control plane.
func (o *estimateOptions) askMembers(ctx context.Context, workloads []workloadDemand, counter *counter) ([]clusterAnswers, error) {
	// What clients log is told in the answers, or of no interest to whom the command talks to.
	log.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	plane, err := o.process.Client()
	if err != nil {
		return nil, err
	}
	clusters := &clusterv1alpha1.ClusterList{}
	if err := plane.List(ctx, clusters); err != nil {
		return nil, fmt.Errorf("listing clusters: %w", err)
	}
	var names []string
	for i := range clusters.Items {
		names = append(names, clusters.Items[i].Name)
	}
	slices.Sort(names)
	if names, err = chosen(names, o.clusters); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &survey{clusters: names, workloads: workloads, counter: counter, done: cancel, answers: map[string]clusterAnswers{}}
	driver, err := o.driver()
	if err != nil {
		return nil, err
	}
	if err := driver.Add(ctx, s.controller()); err != nil {
		return nil, err
	}
	counter.show(0, len(names))
	defer counter.clear()
	if err := driver.Manager().Start(ctx); err != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("reading the members: %w", err)
	}
	return s.found(), nil
}

// driver runs one survey: no election, no endpoints, and no wait for members that have not answered in time.
func (o *estimateOptions) driver() (*live.Driver, error) {
	config, err := o.process.RESTConfig()
	if err != nil {
		return nil, err
	}
	kinds := runtime.NewScheme()
	if err := planescheme.AddToScheme(kinds); err != nil {
		return nil, fmt.Errorf("collecting the known kinds: %w", err)
	}
	return live.NewDriver(config, ctrl.Options{
		Scheme: kinds, Logger: logr.Discard(), Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
		GracefulShutdownTimeout: ptr.To[time.Duration](0),
	}, o.process.MemberLimits(), func() interpreter.Interpreter { return interpreter.Chain{} })
}

// counter tells a person at a terminal how far it is, and nobody else.
type counter struct{ out io.Writer }

func newCounter(out io.Writer) *counter {
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return &counter{out: out}
	}
	return &counter{out: io.Discard}
}

func (c *counter) show(read, of int) {
	fmt.Fprintf(c.out, "\r\x1b[KReading the members: %d of %d", read, of)
}

func (c *counter) clear() { fmt.Fprint(c.out, "\r\x1b[K") }
