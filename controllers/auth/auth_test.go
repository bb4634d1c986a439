package auth_test

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/controllers/auth"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/simulator"
	"github.com/seatrial/seatrial/workload"
)

// stage is a control plane on which only this controller runs.
type stage struct {
	*testing.T
	env   *simulator.Fleet
	plane client.Client
}

func newStage(t *testing.T) *stage {
	t.Helper()
	env, err := simulator.New(t.Context(), simulator.Options{Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Checked: true})
	if err != nil {
		t.Fatal(err)
	}
	plane, err := env.Client(t.Context(), fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{T: t, env: env, plane: plane}
	s.must(env.Run(auth.New(1)))
	return s
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stage) create(objects ...client.Object) {
	s.Helper()
	for _, object := range objects {
		s.must(s.plane.Create(s.Context(), object))
	}
}

func (s *stage) pass(span time.Duration) {
	s.Helper()
	end := s.env.Now().Add(span)
	s.must(s.env.Await(s.Context(), span, "time to pass", func(context.Context) (bool, error) { return !s.env.Now().Before(end), nil }))
}

func space(cluster string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: names.ExecutionSpace(cluster)}}
}

func member(name, credentials string) *clusterv1alpha1.Cluster {
	made := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: clusterv1alpha1.ClusterSpec{SyncMode: clusterv1alpha1.Push}}
	if credentials != "" {
		made.Spec.ImpersonatorSecretRef = &clusterv1alpha1.LocalSecretReference{Namespace: credentials, Name: names.ImpersonationSecret(name)}
	}
	return made
}

func role(name, resource string, clusters ...string) *rbacv1.ClusterRole {
	return &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{{
		Verbs: []string{"*"}, APIGroups: []string{"cluster.karmada.io"}, Resources: []string{resource}, ResourceNames: clusters,
	}}}
}

func give(role string, users ...string) *rbacv1.ClusterRoleBinding {
	made := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: role}}
	made.RoleRef = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role}
	for _, user := range users {
		made.Subjects = append(made.Subjects, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user})
	}
	return made
}

// work reads what a cluster is sent of a kind into object.
func (s *stage) work(cluster, kind string, object client.Object) *workv1alpha1.Work {
	s.Helper()
	work := &workv1alpha1.Work{}
	name := types.NamespacedName{Namespace: names.ExecutionSpace(cluster), Name: names.Work(kind, names.ImpersonatorName, "")}
	err := s.plane.Get(s.Context(), name, work)
	if apierrors.IsNotFound(err) || err == nil && !work.DeletionTimestamp.IsZero() {
		return nil
	}
	s.must(err)
	manifests, err := workload.Manifests(work)
	s.must(err)
	s.must(runtime.DefaultUnstructuredConverter.FromUnstructured(manifests[0].Object, object))
	if object.GetName() != names.ImpersonatorName || object.GetLabels()[names.LabelSystem] != names.LabelSystemValue {
		s.Errorf("the %s is %s with labels %v", kind, object.GetName(), object.GetLabels())
	}
	return work
}

// expect compares whom a member lets the control plane act for.
func (s *stage) expect(when, cluster string, users ...string) {
	s.Helper()
	s.pass(time.Second)
	sent, given := &rbacv1.ClusterRole{}, &rbacv1.ClusterRoleBinding{}
	var got []string
	if s.work(cluster, "ClusterRole", sent) != nil {
		got = sent.Rules[0].ResourceNames
	}
	if strings.Join(got, " ") != strings.Join(users, " ") {
		s.Errorf("%s: %s may act for %v, want %v", when, cluster, got, users)
	}
	if there := s.work(cluster, "ClusterRoleBinding", given) != nil; there != (len(users) > 0) {
		s.Errorf("%s: the binding of %s is there: %t", when, cluster, there)
	} else if there {
		want := rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: "there", Name: names.ImpersonatorName}
		if given.RoleRef.Name != names.ImpersonatorName || len(given.Subjects) != 1 || given.Subjects[0] != want {
			s.Errorf("%s: the binding of %s gives %v to %v", when, cluster, given.RoleRef, given.Subjects)
		}
	}
}

func TestImpersonatorFollowsGrants(t *testing.T) {
	s := newStage(t)
	s.create(space("m1"), space("m3"), member("m1", "there"), member("m2", "there"), member("m3", ""))
	s.expect("nobody", "m1")
	staff, given := role("staff", "clusters/proxy", "m1"), give("staff", "zoe", "ann")
	s.create(staff, given)
	s.expect("a role for one", "m1", "ann", "zoe")
	s.expect("a role for one", "m2")
	staff.Rules[0].ResourceNames = nil
	s.must(s.plane.Update(t.Context(), staff))
	s.create(space("m2"))
	s.expect("a role for all", "m2", "ann", "zoe")
	s.expect("without credentials", "m3")

	given.Subjects = given.Subjects[:1]
	s.must(s.plane.Update(t.Context(), given))
	s.expect("taken from ann", "m1", "zoe")
	// The manifest is restored when somebody changes it.
	work := s.work("m1", "ClusterRole", &rbacv1.ClusterRole{})
	work.Spec.Workload.Manifests = nil
	s.must(s.plane.Update(t.Context(), work))
	s.expect("mended", "m1", "zoe")

	s.must(s.plane.Delete(t.Context(), staff))
	s.expect("the role is gone", "m1")
	s.expect("the role is gone", "m2")
}

// TestNothingIsWrittenTwice: other roles, and what is said already, make no writes.
func TestNothingIsWrittenTwice(t *testing.T) {
	s := newStage(t)
	s.create(space("m1"), member("m1", "there"), role("staff", "clusters/proxy"), give("staff", "zoe"))
	s.expect("a role", "m1", "zoe")
	revision, err := s.env.Revision(fleet.ControlPlaneName)
	s.must(err)
	other := role("other", "clusters")
	s.create(other, give("other", "ann"))
	s.must(s.env.Restart(auth.New(1)))
	s.pass(time.Minute)
	if writes, err := s.env.Writes(fleet.ControlPlaneName, revision); err != nil || len(writes) != 2 {
		t.Errorf("writes %v, %v: want the two of this test", writes, err)
	}
}
