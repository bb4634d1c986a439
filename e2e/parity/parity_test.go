package parity

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/embedded"
)

var everyCase = flag.Bool("every-case", false, "play all cases of the table instead of every third")

// scene is one case of the table.
type scene struct {
	name   string
	ends   end
	groups []group
	steps  []step
	// within lets the pods on each group differ by as many, where the scheduler draws lots among nodes of the same score;
	// draw says why, where it is not for that. With draw alone, groups may change places.
	within int
	draw   string
}

// end is what is noteworthy when a case is over.
type end string

const (
	whole     end = "whole"
	waiting   end = "pending"
	skew      end = "skewed"
	preempted end = "preempted"
)

// TestParity plays every case on a simulated member and on one real one, which they share, each with nodes of its own.
func TestParity(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a real cluster")
	}
	member := startMember(t)
	classes := priorityClasses()
	for _, class := range classes {
		if err := member.Create(t.Context(), class); err != nil {
			t.Fatal(err)
		}
	}
	scenes := chosen(table())
	notable := 0
	for _, s := range scenes {
		if s.ends != whole {
			notable++
		}
	}
	if len(scenes) < 30 || notable < 20 {
		t.Errorf("%d cases, %d of which end with pending, preempted or skewed pods", len(scenes), notable)
	}
	for _, s := range scenes {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			p := newPlay(t, s, member, classes)
			for _, step := range s.steps {
				began := time.Now()
				step.do(p)
				p.rest(step.what, began)
			}
			p.checkEnd()
			p.clear()
			t.Logf("ends %s\n%s", s.ends, strings.Join(p.lines, "\n"))
		})
	}
}

// chosen is every third case, which two cores play in about a minute, or all of them.
func chosen(all []*scene) []*scene {
	if *everyCase {
		return all
	}
	var some []*scene
	for i := 0; i < len(all); i += 3 {
		some = append(some, all[i])
	}
	return some
}

// startMember starts a real member without nodes of its own: cases bring theirs.
func startMember(t *testing.T) client.Client {
	t.Helper()
	binary, err := embedded.EnsureBinary(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	clusters, err := embedded.Open(embedded.Options{Root: t.TempDir(), Binary: binary, Tied: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The test's own context has ended by now.
		if err := clusters.Delete(context.Background()); err != nil {
			t.Errorf("ending the member: %v", err)
		}
	})
	spec := fleet.Spec{Name: "member", Role: fleet.Member, Nodes: fleet.NodePool{Count: 1, CPU: "1"}, Startup: fleet.Startup{Delay: startup}}
	if err := clusters.Up(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	config, err := clusters.RESTConfig(spec.Name)
	if err != nil {
		t.Fatal(err)
	}
	// The cases ask all the time, and share two cores with the cluster.
	config.ContentType = runtime.ContentTypeProtobuf
	member, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return member
}

func priorityClasses() []client.Object {
	never := corev1.PreemptNever
	made := func(name string, value int32, policy *corev1.PreemptionPolicy) client.Object {
		return &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Value: value, PreemptionPolicy: policy}
	}
	return []client.Object{made("low", -10, nil), made("middle", 100, nil), made("high", 1000, nil), made("polite", 1000, &never)}
}

// clear takes away the namespace and the nodes of a case. What is left in them ends with the cluster at the latest.
func (p *play) clear() {
	p.Helper()
	p.must(p.real.Delete(p.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: p.scene.name}}))
	p.must(p.real.DeleteAllOf(p.Context(), &corev1.Node{}, client.MatchingLabels{caseLabel: p.scene.name}))
}

// TestMain lets more cases wait at once than the machine has processors.
func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
