package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apiserver/pkg/util/compatibility"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	restclient "k8s.io/client-go/rest"
	cliflag "k8s.io/component-base/cli/flag"
	logsapi "k8s.io/component-base/logs/api/v1"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	apiserveroptions "k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	controlleroptions "k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	scheduleroptions "k8s.io/kubernetes/cmd/kube-scheduler/app/options"
)

// components are the three Kubernetes binaries as values, with their flags parsed. They share the process's feature gates and
// logging, so all flags are parsed before the gates are set, and logging is set up once. Their own commands cannot share a
// process: each sets up logging again, takes the signals and calls os.Exit.
type components struct {
	apiServer         *apiserveroptions.ServerRunOptions
	controllerManager *controlleroptions.KubeControllerManagerOptions // nil when it does not run
	scheduler         *scheduleroptions.Options                       // nil when it does not run
}

func newComponents(cfg *config) (*components, error) {
	c := &components{apiServer: apiserveroptions.NewServerRunOptions()}
	if err := parseFlags("kube-apiserver", c.apiServer.Flags(), cfg.APIServer); err != nil {
		return nil, err
	}
	if len(cfg.ControllerManager) > 0 {
		opts, err := controlleroptions.NewKubeControllerManagerOptions()
		if err != nil {
			return nil, fmt.Errorf("making kube-controller-manager's options: %w", err)
		}
		flags := opts.Flags(controllers.KnownControllers(), controllers.ControllersDisabledByDefault(), controllers.ControllerAliases())
		if err := parseFlags("kube-controller-manager", flags, cfg.ControllerManager); err != nil {
			return nil, err
		}
		opts.ParsedFlags = &flags
		c.controllerManager = opts
	}
	if len(cfg.Scheduler) > 0 {
		c.scheduler = scheduleroptions.NewOptions()
		if err := parseFlags("kube-scheduler", *c.scheduler.Flags, cfg.Scheduler); err != nil {
			return nil, err
		}
	}
	if err := compatibility.DefaultComponentGlobalsRegistry.Set(); err != nil {
		return nil, fmt.Errorf("setting feature gates: %w", err)
	}
	// From 8 on client-go writes out what is said to API servers, secrets among it.
	c.apiServer.Logs.Verbosity = min(c.apiServer.Logs.Verbosity, 7)
	if err := logsapi.ValidateAndApply(c.apiServer.Logs, utilfeature.DefaultFeatureGate); err != nil {
		return nil, fmt.Errorf("setting up logging: %w", err)
	}
	restclient.SetDefaultWarningHandler(restclient.NoWarnings{})
	return c, nil
}

func parseFlags(component string, named cliflag.NamedFlagSets, args []string) error {
	fs := pflag.NewFlagSet(component, pflag.ContinueOnError)
	for _, name := range named.Order {
		fs.AddFlagSet(named.FlagSets[name])
	}
	if err := fs.Parse(args); err != nil {
		return fmt.Errorf("parsing the flags of %s: %w", component, err)
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("parsing the flags of %s: %q is not a flag", component, fs.Arg(0))
	}
	return nil
}

func (c *components) runAPIServer(ctx context.Context) error {
	completed, err := c.apiServer.Complete(ctx)
	if err != nil {
		return fmt.Errorf("completing kube-apiserver's options: %w", err)
	}
	if errs := completed.Validate(); len(errs) > 0 {
		return fmt.Errorf("validating kube-apiserver's options: %w", utilerrors.NewAggregate(errs))
	}
	return describeEnd(ctx, "kube-apiserver", apiserver.Run(ctx, completed))
}

func (c *components) runControllerManager(ctx context.Context) error {
	cfg, err := c.controllerManager.Config(ctx, controllers.KnownControllers(), controllers.ControllersDisabledByDefault(), controllers.ControllerAliases())
	if err != nil {
		return fmt.Errorf("configuring kube-controller-manager: %w", err)
	}
	return describeEnd(ctx, "kube-controller-manager", controllers.Run(ctx, cfg.Complete()))
}

func (c *components) runScheduler(ctx context.Context) error {
	cfg, sched, err := scheduler.Setup(ctx, c.scheduler)
	if err != nil {
		return fmt.Errorf("setting up kube-scheduler: %w", err)
	}
	return describeEnd(ctx, "kube-scheduler", scheduler.Run(ctx, cfg, sched))
}

// describeEnd turns the end of a component into an error unless it was told to end.
func describeEnd(ctx context.Context, component string, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	if err == nil {
		err = errors.New("it returned")
	}
	return fmt.Errorf("%s ended by itself: %w", component, err)
}
