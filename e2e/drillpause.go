package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/fleet"
)

const (
	// patience is how long a client of the drilled services waits for an answer, and betweenRequests how long after one.
	patience        = time.Second
	betweenRequests = 100 * time.Millisecond
	drillClients    = 4
	// pausedSize lets all replicas run in two clusters of one small node each.
	pausedSize = "10m"
)

// ServicePort is the port of nodes by which the pods of a drill are reached, where pods serve.
const ServicePort = 30080

// Audience are those whom a drill is for.
type Audience interface {
	Witness
	// Ask sends a request to a service in a cluster, as its clients do. It fails where no replica answers in time.
	Ask(ctx context.Context, cluster string, web *appsv1.Deployment) error
}

// AskCluster is a request where pods serve nobody: it asks the API server of the cluster whether a replica is ready.
func AskCluster(ctx context.Context, env fleet.Environment, cluster string, web *appsv1.Deployment) error {
	member, err := env.Client(ctx, cluster)
	if err != nil {
		return err
	}
	found := &appsv1.Deployment{}
	if err := member.Get(ctx, client.ObjectKeyFromObject(web), found); err != nil {
		return err
	}
	if found.Status.ReadyReplicas == 0 {
		return fmt.Errorf("no replica of %s is ready in %s", web.Name, cluster)
	}
	return nil
}

// PauseOutcome is what freezing a member came to.
type PauseOutcome struct {
	Outcome
	// Noticed is how long it was until the control plane called the member not ready.
	Noticed time.Duration
	// Asked counts the requests of clients, Failed those without an answer in time, or with one of no ready replica.
	Asked, Failed int
	// Gap is the longest time that a client was without an answer.
	Gap time.Duration
}

// String is a row of a table in Markdown.
func (o PauseOutcome) String() string {
	return fmt.Sprintf("| %.1f s | %.1f s | %d | %d | %.1f s | %d of %d | %.0f %% | %.1f |", o.Took.Seconds(), o.Noticed.Seconds(), o.Asked, o.Failed,
		o.Gap.Seconds(), o.Least, o.Of, 100*o.Worst, o.Missing)
}

// PauseDrill freezes member1, as a hypervisor does, while clients ask the services in the clusters that the control plane calls ready,
// one after the other. It returns when all replicas are ready in others, and the member is back.
func PauseDrill(t *testing.T, env fleet.Environment, audience Audience) PauseOutcome {
	f := start(t, env)
	defer f.space(drilledSpace)()
	d := &drill{fixture: f, witness: audience, down: map[string]bool{}}
	for n := range drilled {
		d.workloads = append(d.workloads, f.spreadOut(fmt.Sprint("web-", n), pausedSize))
	}
	f.publish()
	d.awaitWhole()
	d.awaitReported()

	stop := d.begin("pause of member1")
	crowd := newCrowd(d, audience)
	leave := crowd.come()
	d.mu.Lock()
	d.down["member1"] = true
	d.mu.Unlock()
	began := audience.Now()
	d.must(env.Pause(d.ctx, "member1"))
	d.await(toDrill, "all replicas in other members", func(ctx context.Context) (bool, error) {
		crowd.turn(ctx, began)
		return d.look(ctx) == drilled*drilledSize, nil
	})
	outcome := stop(began)
	leave()
	d.must(env.Resume(d.ctx, "member1"))
	d.down = map[string]bool{}
	d.awaitReady("member1")
	for _, web := range d.workloads {
		d.awaitAbsent(d.member("member1"), web)
	}
	return PauseOutcome{Outcome: outcome, Noticed: crowd.noticed, Asked: crowd.asked, Failed: crowd.failed, Gap: crowd.gap}
}

// publish makes a Service of all pods of the drill in all members.
func (f *fixture) publish() {
	f.Helper()
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: drilledSpace, Name: "web"},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeNodePort, Selector: drilledLabel,
			Ports: []corev1.ServicePort{{Name: "http", Port: 8080, NodePort: ServicePort}},
		},
	}
	f.create(service)
	f.propagate(service, members...)
	f.awaitHolders(service, members...)
}

// crowd are the clients of the drilled services.
type crowd struct {
	*drill
	audience Audience
	clients  []*visitor

	// mu guards what follows.
	mu            sync.Mutex
	ready         []string
	noticed, gap  time.Duration
	asked, failed int
}

// visitor is one client. It asks one cluster after the other for one service after the other.
type visitor struct {
	turn     int
	answered time.Time
	// waits is until when it waits for an answer that does not come, where the fleet's time does not pass by itself.
	waits time.Time
}

func newCrowd(d *drill, audience Audience) *crowd {
	c := &crowd{drill: d, audience: audience, ready: members}
	for n := range drillClients {
		c.clients = append(c.clients, &visitor{turn: n, answered: d.witness.Now()})
	}
	return c
}

// come lets clients ask at any time, where the fleet's time passes by itself. What it returns ends that.
func (c *crowd) come() (leave func()) {
	ctx, cancel := context.WithCancel(c.ctx)
	var clients sync.WaitGroup
	if c.witness.Readers() > 0 {
		for _, client := range c.clients {
			clients.Go(func() {
				for ctx.Err() == nil {
					c.ask(ctx, client)
					time.Sleep(betweenRequests)
				}
			})
		}
	}
	return func() {
		cancel()
		clients.Wait()
	}
}

// turn has the clients hear which clusters are ready, and ask where nobody else lets them.
func (c *crowd) turn(ctx context.Context, began time.Time) {
	list := &clusterv1alpha1.ClusterList{}
	if c.plane.List(ctx, list) == nil {
		var ready []string
		for i := range list.Items {
			if meta.IsStatusConditionTrue(list.Items[i].Status.Conditions, names.ConditionClusterReady) {
				ready = append(ready, list.Items[i].Name)
			}
		}
		c.mu.Lock()
		if len(ready) < len(members) && c.noticed == 0 {
			c.noticed = c.witness.Now().Sub(began)
		}
		c.ready = ready
		c.mu.Unlock()
	}
	if c.witness.Readers() > 0 {
		return
	}
	for _, client := range c.clients {
		if !c.witness.Now().Before(client.waits) {
			c.ask(ctx, client)
		}
	}
}

// ask makes one request.
func (c *crowd) ask(ctx context.Context, from *visitor) {
	c.mu.Lock()
	ready := c.ready
	c.mu.Unlock()
	if len(ready) == 0 {
		return
	}
	from.turn++
	web, cluster := c.workloads[from.turn%len(c.workloads)], ready[from.turn%len(ready)]
	soon, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := c.audience.Ask(soon, cluster, web)
	if ctx.Err() != nil {
		return
	}
	now := c.witness.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	if err != nil {
		c.failed++
		from.waits = now.Add(patience)
	} else {
		c.gap = max(c.gap, now.Sub(from.answered))
		from.answered = now
	}
}
