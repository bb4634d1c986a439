package framework_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	status "k8s.io/kube-scheduler/framework"
	testclock "k8s.io/utils/clock/testing"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/scheduler/framework"
	"github.com/seatrial/seatrial/scheduler/placement"
)

func TestPanicsFailTheDecision(t *testing.T) {
	for name, plugin := range map[string]framework.Plugin{
		"Filter": filterFunc(func(string) *status.Status { panic("oops") }),
		"Score":  scoreFunc(func(string) (int64, *status.Status) { panic(errors.New("oops")) }),
		"Select": selectFunc(func([]framework.Candidate) ([]string, *status.Status) { panic("oops") }),
		"Assign": assignFunc(func([]string, []workv1alpha2.TargetCluster) ([]workv1alpha2.TargetCluster, *status.Status) {
			panic("oops")
		}),
	} {
		own := profile(t, "{name: Test}", plugin)
		judged, err := own.Judge(candidates(own))
		if err == nil {
			decision := own.Assign(judged, nil)
			if err = decision.Err; decision.Clusters != nil || len(decision.Verdicts()) != 4 {
				t.Errorf("%s: clusters %v, verdicts %v", name, decision.Clusters, decision.Verdicts())
			}
		}
		var failed *framework.PluginError
		if want := "plugin Test panicked at extension point " + name + ": oops"; !errors.As(err, &failed) || failed.Plugin != "Test" || err.Error() != want {
			t.Errorf("%s: error %v, want %s", name, err, want)
		}
	}
}

func TestPanicOfAFactoryIsAnErrorOfTheFile(t *testing.T) {
	registry := framework.Registry{"Test": func(framework.Arguments) (framework.Plugin, error) { panic("oops") }}
	_, err := framework.Load("f.yaml", []byte(header+"profiles: [{schedulerName: s, plugins: {enabled: [{name: Test}]}}]"), registry)
	if err == nil || !strings.Contains(err.Error(), "f.yaml:3: profiles[0].plugins.enabled[0].name: making plugin Test: its factory panicked: oops") {
		t.Errorf("error %v", err)
	}
}

// TestNoRoomIsNoFailure: a plugin that finds no room says something about the clusters, and another affinity term may do.
func TestNoRoomIsNoFailure(t *testing.T) {
	own := profile(t, "{name: Test}", assignFunc(func([]string, []workv1alpha2.TargetCluster) ([]workv1alpha2.TargetCluster, *status.Status) {
		return nil, status.NewStatus(status.Unschedulable, "not today")
	}))
	err := own.Assign(candidates(own), nil).Err
	var failed *framework.PluginError
	var full *placement.UnschedulableError
	if errors.As(err, &failed) || !errors.As(err, &full) {
		t.Errorf("error %#v", err)
	}
}

// told lists what an observer is told.
type told struct{ lines []string }

func (o *told) ExtensionPoint(point, result string, took time.Duration) {
	o.lines = append(o.lines, fmt.Sprint(point, " ", result, " ", took))
}

func (o *told) Plugin(plugin, point, result string, took time.Duration) {
	o.lines = append(o.lines, fmt.Sprint(plugin, " ", point, " ", result, " ", took))
}

func TestPluginsAreTimed(t *testing.T) {
	clock := testclock.NewFakePassiveClock(time.Unix(0, 0))
	score := int64(1)
	slow := profile(t, "{name: Test}", scoreFunc(func(string) (int64, *status.Status) {
		clock.SetTime(clock.Now().Add(time.Millisecond))
		return score, nil
	}))
	observed := &told{}
	timed := slow.Timed(clock, observed)
	if _, err := timed.Judge(candidates(timed)); err != nil {
		t.Fatal(err)
	}
	score = -1
	if _, err := timed.Judge(candidates(timed)); err == nil {
		t.Fatal("a negative score passes")
	}
	want := []string{"Filter Success 0s", "Test Score Success 4ms", "Score Success 4ms", "Filter Success 0s", "Test Score Error 4ms", "Score Error 4ms"}
	if diff := cmp.Diff(want, observed.lines); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestExcerpt(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "short": "short", "two\n  lines\r\n": "two lines", "bad \xff byte": "bad ? byte",
	} {
		if got := framework.Excerpt(text); got != want {
			t.Errorf("%q gives %q, want %q", text, got, want)
		}
	}
	if got := framework.Excerpt(strings.Repeat("é", 500)); len(got) > 210 || !utf8.ValidString(got) || !strings.HasSuffix(got, "...") {
		t.Errorf("a long text gives %d bytes: %q", len(got), got)
	}
}

func TestNamed(t *testing.T) {
	all := placement.NewPluginSet(placement.Plugins()...)
	only := func(plugins ...placement.Plugin) placement.PluginSet {
		return all &^ placement.NewPluginSet(plugins...)
	}
	for list, want := range map[string]placement.Options{
		"*":                                   {},
		"*,-TaintToleration":                  {Disabled: placement.NewPluginSet(placement.TaintToleration)},
		"-TaintToleration,*":                  {Disabled: placement.NewPluginSet(placement.TaintToleration)},
		"*,ClusterPrice":                      {Enabled: placement.NewPluginSet(placement.ClusterPrice)},
		"ClusterAffinity":                     {Enabled: placement.NewPluginSet(placement.ClusterAffinity), Disabled: only(placement.ClusterAffinity)},
		"ClusterPrice,*,-ClusterPrice":        {Disabled: placement.NewPluginSet(placement.ClusterPrice)},
		"-ClusterLocality,-ClusterLocality,*": {Disabled: placement.NewPluginSet(placement.ClusterLocality)},
	} {
		named, err := framework.Named("s", strings.Split(list, ","), nil)
		if err != nil {
			t.Errorf("%s: %v", list, err)
			continue
		}
		if diff := cmp.Diff(want, named.Profiles[0].Options(placement.Options{})); diff != "" || named.Profiles[0].SchedulerName != "s" {
			t.Errorf("%s (-want +got):\n%s", list, diff)
		}
	}
}

func TestNamedRunsTheRegistry(t *testing.T) {
	plugin := filterFunc(func(cluster string) *status.Status {
		if cluster == "m1" {
			return status.NewStatus(status.Unschedulable, "closed")
		}
		return nil
	})
	for list, runs := range map[string]bool{"*": true, "*,-Test": false, "Test": true, "APIEnablement": false} {
		named, err := framework.Named("s", strings.Split(list, ","), registry(plugin))
		if err != nil {
			t.Fatal(err)
		}
		own := &named.Profiles[0]
		judged, err := own.Judge(candidates(own))
		if err != nil || slices.Contains(judged.Names(), "m1") == runs {
			t.Errorf("%s leaves %v, error %v", list, judged.Names(), err)
		}
	}
	broken := framework.Registry{"Test": func(framework.Arguments) (framework.Plugin, error) { return nil, errors.New("no arguments") }}
	_, err := framework.Named("s", []string{"*", "Tset", "-Test2"}, broken)
	for _, want := range []string{`unknown plugin "Tset": use *, or some of APIEnablement`, `unknown plugin "Test2"`, "making plugin Test: no arguments"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v lacks %s", err, want)
		}
	}
}

func TestBindingsWithoutANameBelongToTheDefaultScheduler(t *testing.T) {
	loaded, err := framework.Load("f", []byte(header+"profiles: [{schedulerName: mine}]"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if found, ok := loaded.Profile(""); ok {
		t.Errorf("they belong to %s", found.SchedulerName)
	}
	loaded.Profiles[0].SchedulerName = framework.DefaultScheduler
	if _, ok := loaded.Profile(""); !ok {
		t.Error("they belong to nobody")
	}
}
