package e2e_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
)

// entry is one request that is to change an object of the control plane.
type entry struct {
	// writer is a controller, or the user name of a component.
	writer, verb, kind, name string
}

// notice is one event for users.
type notice struct {
	writer, regarding, reason, note string
	// again: it says that an earlier one has been repeated.
	again bool
}

// ledger is what was written.
type ledger struct {
	mu      sync.Mutex
	writes  []entry
	notices []notice
	// refused are requests that wrote nothing, since they came from a view that was too old.
	refused []entry
}

// keep makes a controller write through the ledger.
func (l *ledger) keep(value control.Controller) control.Controller {
	reconcile := value.Reconcile
	value.Reconcile = func(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
		deps.Client = &counted{Client: deps.Client, ledger: l, writer: value.Name}
		deps.Events = binding.OnTemplates(&noted{ledger: l, writer: value.Name, kinds: deps.Client})
		return reconcile(ctx, deps, key)
	}
	return value
}

func (l *ledger) write(made entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes = append(l.writes, made)
}

func (l *ledger) note(made notice) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notices = append(l.notices, made)
}

// close returns what the ledger holds and begins a new page.
func (l *ledger) close() (writes []entry, notices []notice) {
	l.mu.Lock()
	defer l.mu.Unlock()
	writes, notices = l.writes, l.notices
	l.writes, l.notices = nil, nil
	return writes, notices
}

// repeated are the notices of one object under one reason beyond the first.
func repeated(notices []notice) []notice {
	type about struct{ regarding, reason string }
	seen, again := map[about]bool{}, []notice(nil)
	for _, made := range notices {
		if made.again || seen[about{made.regarding, made.reason}] {
			again = append(again, made)
		}
		seen[about{made.regarding, made.reason}] = true
	}
	return again
}

// tally counts writes by writer, verb and kind.
func tally(writes []entry) string {
	counts := map[entry]int{}
	for _, made := range writes {
		made.name = ""
		counts[made]++
	}
	lines := make([]string, 0, len(counts))
	for made, count := range counts {
		lines = append(lines, fmt.Sprintf("%s %s %s: %d", made.kind, made.verb, made.writer, count))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// tallyNotices counts events by reason.
func tallyNotices(notices []notice) string {
	counts := map[string]int{}
	for _, made := range notices {
		counts[made.reason+" on "+cmp.Or(strings.Split(made.regarding, " ")[0], "nothing")]++
	}
	lines := make([]string, 0, len(counts))
	for reason, count := range counts {
		lines = append(lines, fmt.Sprintf("%s: %d", reason, count))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// counted is a client whose writes are noted.
type counted struct {
	client.Client
	ledger *ledger
	writer string
}

func (c *counted) note(verb string, object client.Object) {
	c.ledger.write(entry{writer: c.writer, verb: verb, kind: kindOf(c.Client, object), name: client.ObjectKeyFromObject(object).String()})
}

func kindOf(kinds client.Client, object runtime.Object) string {
	gvk, err := kinds.GroupVersionKindFor(object)
	if err != nil {
		return fmt.Sprintf("%T", object)
	}
	return gvk.Kind
}

func (c *counted) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	c.note("create", object)
	return c.Client.Create(ctx, object, options...)
}

func (c *counted) Update(ctx context.Context, object client.Object, options ...client.UpdateOption) error {
	c.note("update", object)
	return c.Client.Update(ctx, object, options...)
}

func (c *counted) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	c.note("patch", object)
	return c.Client.Patch(ctx, object, patch, options...)
}

func (c *counted) Delete(ctx context.Context, object client.Object, options ...client.DeleteOption) error {
	c.note("delete", object)
	return c.Client.Delete(ctx, object, options...)
}

func (c *counted) Status() client.SubResourceWriter {
	return &countedStatus{SubResourceWriter: c.Client.Status(), counted: c}
}

type countedStatus struct {
	client.SubResourceWriter
	counted *counted
}

func (c *countedStatus) Update(ctx context.Context, object client.Object, options ...client.SubResourceUpdateOption) error {
	c.counted.note("update status", object)
	return c.SubResourceWriter.Update(ctx, object, options...)
}

func (c *countedStatus) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
	c.counted.note("patch status", object)
	return c.SubResourceWriter.Patch(ctx, object, patch, options...)
}

// noted takes down events.
type noted struct {
	ledger *ledger
	writer string
	kinds  client.Client
}

// Eventf implements control.EventRecorder.
func (n *noted) Eventf(object runtime.Object, _, reason, messageFormat string, args ...any) {
	regarding := kindOf(n.kinds, object)
	if of, ok := object.(*corev1.ObjectReference); ok {
		regarding = fmt.Sprintf("%s %s/%s", of.Kind, of.Namespace, of.Name)
	}
	if named, ok := object.(client.Object); ok {
		regarding += " " + client.ObjectKeyFromObject(named).String()
	}
	n.ledger.note(notice{writer: n.writer, regarding: regarding, reason: reason, note: fmt.Sprintf(messageFormat, args...)})
}

// audited reads the audit log of a control plane into a ledger: what the components wrote, and Kubernetes' own controllers.
func audited(t *testing.T, path string) *ledger {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	read := &ledger{}
	decoder := json.NewDecoder(file)
	for {
		var line auditLine
		if err := decoder.Decode(&line); errors.Is(err, io.EOF) {
			return read
		} else if err != nil {
			t.Fatalf("reading the audit log %s: %v", path, err)
		}
		line.enter(read)
	}
}

// auditLine is what matters here of an Event of audit.k8s.io/v1.
type auditLine struct {
	Verb string
	User struct{ Username string }
	// ObjectRef.Name is empty where a created object was given its name by the API server.
	ObjectRef      struct{ Resource, Namespace, Name, Subresource string }
	ResponseStatus struct{ Code int }
	RequestObject  struct {
		Regarding struct{ Kind, Namespace, Name string }
		Reason    string
		Note      string
	}
}

// enter takes a line down, unless it is of the user who tests, of a component's leadership, or a question that leaves no object.
func (a *auditLine) enter(into *ledger) {
	if a.User.Username == "kubernetes-admin" || a.ObjectRef.Resource == "leases" || strings.HasSuffix(a.ObjectRef.Resource, "reviews") {
		return
	}
	verb := a.Verb
	if a.ObjectRef.Subresource != "" {
		verb += " " + a.ObjectRef.Subresource
	}
	if a.ObjectRef.Resource == "events" {
		told := a.RequestObject
		into.note(notice{
			writer: a.User.Username, regarding: fmt.Sprintf("%s %s/%s", told.Regarding.Kind, told.Regarding.Namespace, cmp.Or(told.Regarding.Name, a.ObjectRef.Name)),
			reason: told.Reason, note: told.Note, again: verb != "create",
		})
		return
	}
	made := entry{writer: a.User.Username, verb: verb, kind: a.ObjectRef.Resource, name: a.ObjectRef.Namespace + "/" + a.ObjectRef.Name}
	if a.ResponseStatus.Code >= http.StatusBadRequest {
		into.refused = append(into.refused, made)
		return
	}
	into.write(made)
}
