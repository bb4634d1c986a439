package apiserver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/apiserver"
)

// A whole life of the server beside a real kube-apiserver: each step uses the objects that the steps before left.
func TestBesideAControlPlane(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	t.Cleanup(cancel)
	s := newStand(ctx, t)
	s.start(ctx, t)

	steps := []struct {
		name string
		run  func(context.Context, *testing.T)
	}{
		{"registering again changes nothing", s.testRegisterAgain},
		{"create and read", s.testCreate},
		{"update", s.testUpdate},
		{"update status", s.testUpdateStatus},
		{"conflicting update", s.testConflict},
		{"apply", s.testApply},
		{"select", s.testSelect},
		{"errors name the field", s.testErrors},
		{"table", s.testTable},
		{"watch", s.testWatch},
		{"delete", s.testDelete},
		{"informer", s.testInformer},
		{"explain", s.testExplain},
		{"authorization", s.testAuthorization},
		{"readers at once", s.testReadersAtOnce},
		{"search beside it", s.testSearch},
		{"restart", s.testRestart},
	}
	for _, step := range steps {
		if !t.Run(step.name, func(t *testing.T) { step.run(ctx, t) }) {
			return
		}
	}
	t.Logf("the process holds %d MiB", s.residentMiB(t))
}

func newCluster(name string) *clusterv1alpha1.Cluster {
	return &clusterv1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       clusterv1alpha1.ClusterSpec{SyncMode: clusterv1alpha1.Push, APIEndpoint: "https://10.0.0.1:6443", Region: "north"},
	}
}

func (s *stand) get(ctx context.Context, t *testing.T, name string) *clusterv1alpha1.Cluster {
	t.Helper()
	cluster := &clusterv1alpha1.Cluster{}
	if err := s.client.Get(ctx, client.ObjectKey{Name: name}, cluster); err != nil {
		t.Fatal(err)
	}
	return cluster
}

func (s *stand) testRegisterAgain(ctx context.Context, t *testing.T) {
	versions := func() []string {
		service, registration := &corev1.Service{}, &apiregistrationv1.APIService{}
		key := client.ObjectKey{Namespace: "karmada-system", Name: apiserver.ServiceName}
		if err := s.client.Get(ctx, key, service); err != nil {
			t.Fatal(err)
		}
		if err := s.client.Get(ctx, client.ObjectKey{Name: "v1alpha1.cluster.karmada.io"}, registration); err != nil {
			t.Fatal(err)
		}
		return []string{service.ResourceVersion, registration.ResourceVersion}
	}
	before := versions()
	s.register(ctx, t)
	if diff := cmp.Diff(before, versions()); diff != "" {
		t.Errorf("resource versions of Service and APIService (-before +after):\n%s", diff)
	}
}

func (s *stand) testCreate(ctx context.Context, t *testing.T) {
	trial := newCluster("trial")
	if err := s.client.Create(ctx, trial, client.DryRunAll); err != nil {
		t.Fatal(err)
	}
	if err := s.client.Get(ctx, client.ObjectKey{Name: "trial"}, trial); !apierrors.IsNotFound(err) {
		t.Errorf("a dry run left a cluster: %v", err)
	}

	cluster := newCluster("member1")
	cluster.Spec.Zone = "z1"
	cluster.Status.KubernetesVersion = "made up"
	if err := s.client.Create(ctx, cluster); err != nil {
		t.Fatal(err)
	}
	got := s.get(ctx, t, "member1")
	if got.UID == "" || got.ResourceVersion == "" || got.CreationTimestamp.IsZero() || got.Generation != 1 {
		t.Errorf("metadata of a new cluster: %+v", got.ObjectMeta)
	}
	if !slices.Equal(got.Spec.Zones, []string{"z1"}) || len(got.Spec.ResourceModels) != 9 {
		t.Errorf("the spec was not completed: %+v", got.Spec)
	}
	if got.Status.KubernetesVersion != "" {
		t.Errorf("the status was set on creation: %+v", got.Status)
	}
	if err := s.client.Create(ctx, newCluster("member1")); !apierrors.IsAlreadyExists(err) {
		t.Errorf("creating a second member1: %v", err)
	}
}

func (s *stand) testUpdate(ctx context.Context, t *testing.T) {
	cluster := s.get(ctx, t, "member1")
	cluster.Spec.Provider = "p"
	cluster.Status.KubernetesVersion = "made up"
	if err := s.client.Update(ctx, cluster); err != nil {
		t.Fatal(err)
	}
	if cluster.Generation != 2 || cluster.Spec.Provider != "p" || cluster.Status.KubernetesVersion != "" {
		t.Errorf("after a change of the spec: generation %d, %+v, %+v", cluster.Generation, cluster.Spec, cluster.Status)
	}
	before := cluster.ResourceVersion
	if err := s.client.Update(ctx, cluster); err != nil {
		t.Fatal(err)
	}
	if cluster.Generation != 2 || cluster.ResourceVersion != before {
		t.Errorf("an update without a change made generation %d and a new version %s", cluster.Generation, cluster.ResourceVersion)
	}
	patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"tier":"gold"}}}`))
	if err := s.client.Patch(ctx, cluster, patch); err != nil {
		t.Fatal(err)
	}
	if cluster.Generation != 2 || cluster.Labels["tier"] != "gold" {
		t.Errorf("after a label: generation %d, labels %v", cluster.Generation, cluster.Labels)
	}
}

func (s *stand) testUpdateStatus(ctx context.Context, t *testing.T) {
	cluster := s.get(ctx, t, "member1")
	cluster.Spec.Provider = "q"
	cluster.Labels["tier"] = "lead"
	cluster.Status.KubernetesVersion = "v1.36.3"
	cluster.Status.Conditions = []metav1.Condition{{
		Type: "Ready", Status: metav1.ConditionTrue, Reason: "ClusterReady", Message: "ok", LastTransitionTime: metav1.Now(),
	}}
	if err := s.client.Status().Update(ctx, cluster); err != nil {
		t.Fatal(err)
	}
	got := s.get(ctx, t, "member1")
	if got.Spec.Provider != "p" || got.Labels["tier"] != "gold" || got.Generation != 2 {
		t.Errorf("a status update changed the rest: generation %d, labels %v, %+v", got.Generation, got.Labels, got.Spec)
	}
	if got.Status.KubernetesVersion != "v1.36.3" || len(got.Status.Conditions) != 1 {
		t.Errorf("the status was not updated: %+v", got.Status)
	}
}

func (s *stand) testConflict(ctx context.Context, t *testing.T) {
	first, second := s.get(ctx, t, "member1"), s.get(ctx, t, "member1")
	first.Spec.Region = "south"
	if err := s.client.Update(ctx, first); err != nil {
		t.Fatal(err)
	}
	second.Spec.Region = "west"
	if err := s.client.Update(ctx, second); !apierrors.IsConflict(err) {
		t.Errorf("updating an old version: %v", err)
	}
	second.Status.KubernetesVersion = "v2"
	if err := s.client.Status().Update(ctx, second); !apierrors.IsConflict(err) {
		t.Errorf("updating the status of an old version: %v", err)
	}
}

func (s *stand) testApply(ctx context.Context, t *testing.T) {
	configuration := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster",
		"metadata": map[string]any{"name": "member2", "labels": map[string]any{"tier": "gold"}},
		"spec":     map[string]any{"syncMode": "Pull", "zones": []any{"a", "b"}},
	}}
	for _, region := range []string{"north", "south"} {
		if err := unstructured.SetNestedField(configuration.Object, region, "spec", "region"); err != nil {
			t.Fatal(err)
		}
		err := s.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(configuration.DeepCopy()), client.FieldOwner("tester"))
		if err != nil {
			t.Fatal(err)
		}
	}
	got := s.get(ctx, t, "member2")
	if got.Spec.Region != "south" || got.Spec.SyncMode != clusterv1alpha1.Pull || got.Generation != 2 {
		t.Errorf("applied: generation %d, %+v", got.Generation, got.Spec)
	}
	owner := slices.IndexFunc(got.ManagedFields, func(entry metav1.ManagedFieldsEntry) bool {
		return entry.Manager == "tester" && entry.Operation == metav1.ManagedFieldsOperationApply
	})
	if owner < 0 || !strings.Contains(string(got.ManagedFields[owner].FieldsV1.GetRawBytes()), `"f:region"`) {
		t.Errorf("the applied fields have no owner: %+v", got.ManagedFields)
	}
}

func (s *stand) testSelect(ctx context.Context, t *testing.T) {
	for _, test := range []struct {
		option client.ListOption
		want   []string
	}{
		{client.MatchingLabels{"tier": "gold"}, []string{"member1", "member2"}},
		{client.MatchingLabels{"tier": "lead"}, nil},
		{client.MatchingFields{"metadata.name": "member2"}, []string{"member2"}},
		{client.Limit(1), []string{"member1"}},
	} {
		list := &clusterv1alpha1.ClusterList{}
		if err := s.client.List(ctx, list, test.option); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, cluster := range list.Items {
			got = append(got, cluster.Name)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", test.option, diff)
		}
	}
}

func (s *stand) testErrors(ctx context.Context, t *testing.T) {
	badMode, badName, badURL := newCluster("bad-mode"), newCluster(strings.Repeat("a", 49)), newCluster("bad-url")
	badMode.Spec.SyncMode = "Carry"
	badURL.Spec.APIEndpoint = "https://user:secret@10.0.0.1"
	for field, cluster := range map[string]*clusterv1alpha1.Cluster{
		"spec.syncMode": badMode, "metadata.name": badName, "spec.apiEndpoint": badURL,
	} {
		err := s.client.Create(ctx, cluster)
		if !apierrors.IsInvalid(err) {
			t.Errorf("creating a cluster with a bad %s: %v", field, err)
			continue
		}
		status, _ := err.(apierrors.APIStatus)
		causes := status.Status().Details.Causes
		if len(causes) != 1 || causes[0].Field != field || strings.Contains(err.Error(), "secret") {
			t.Errorf("a bad %s is reported as %v: %v", field, causes, err)
		}
	}
	unknown := []byte(`{"apiVersion":"cluster.karmada.io/v1alpha1","kind":"Cluster","metadata":{"name":"x"},"spec":{"syncMod":"Push"}}`)
	err := s.kube.Discovery().RESTClient().Post().AbsPath("/apis/cluster.karmada.io/v1alpha1/clusters").
		Param("fieldValidation", "Strict").Body(unknown).Do(ctx).Error()
	if !apierrors.IsBadRequest(err) || !strings.Contains(err.Error(), `unknown field "spec.syncMod"`) {
		t.Errorf("a misspelt field under strict validation: %v", err)
	}
}

func (s *stand) testTable(ctx context.Context, t *testing.T) {
	text, err := s.kube.Discovery().RESTClient().Get().AbsPath("/apis/cluster.karmada.io/v1alpha1/clusters").
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(ctx)
	if err != nil {
		t.Fatal(err)
	}
	table := &metav1.Table{}
	if err := json.Unmarshal(text, table); err != nil {
		t.Fatal(err)
	}
	if table.Kind != "Table" || len(table.Rows) != 2 || len(table.ColumnDefinitions) != 10 {
		t.Fatalf("the table: %s", text)
	}
	for i, want := range []string{"[member1 v1.36.3 Push True", "[member2  Pull Unknown"} {
		if got := fmt.Sprint(table.Rows[i].Cells); !strings.HasPrefix(got, want) {
			t.Errorf("row %d is %s, want %s ...", i, got, want)
		}
		kind := metav1.PartialObjectMetadata{}
		if err := json.Unmarshal(table.Rows[i].Object.Raw, &kind); err != nil || kind.Kind != "PartialObjectMetadata" {
			t.Errorf("row %d carries %s: %v", i, table.Rows[i].Object.Raw, err)
		}
	}
}

func (s *stand) testWatch(ctx context.Context, t *testing.T) {
	list := &clusterv1alpha1.ClusterList{}
	if err := s.client.List(ctx, list); err != nil {
		t.Fatal(err)
	}
	since := &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.ResourceVersion}}
	watcher, err := s.client.Watch(ctx, &clusterv1alpha1.ClusterList{}, since)
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Stop()

	cluster := newCluster("member3")
	if err := s.client.Create(ctx, cluster); err != nil {
		t.Fatal(err)
	}
	cluster.Status.KubernetesVersion = "v1"
	if err := s.client.Status().Update(ctx, cluster); err != nil {
		t.Fatal(err)
	}
	if err := s.client.Delete(ctx, cluster); err != nil {
		t.Fatal(err)
	}
	for _, want := range []watch.EventType{watch.Added, watch.Modified, watch.Deleted} {
		select {
		case event := <-watcher.ResultChan():
			got, ok := event.Object.(*clusterv1alpha1.Cluster)
			if !ok || event.Type != want || got.Name != "member3" {
				t.Fatalf("event %s %+v, want %s of member3", event.Type, event.Object, want)
			}
		case <-time.After(time.Minute):
			t.Fatalf("no event, want %s", want)
		}
	}
}

// Controllers read through an informer, which asks for the list as a stream.
func (s *stand) testInformer(ctx context.Context, t *testing.T) {
	informers, err := cache.New(s.config, cache.Options{Scheme: testScheme(t)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	ended := make(chan error, 1)
	go func() { ended <- informers.Start(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the informers ended: %v", err)
		}
	}()
	if !informers.WaitForCacheSync(ctx) {
		t.Fatal("the informers did not start")
	}
	list := &clusterv1alpha1.ClusterList{}
	if err := informers.List(ctx, list); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 2 || list.Items[0].Spec.SyncMode == "" {
		t.Errorf("the informer has %+v, want two clusters", list.Items)
	}
}

func (s *stand) testDelete(ctx context.Context, t *testing.T) {
	cluster := newCluster("member4")
	cluster.Finalizers = []string{"example.io/hold"}
	if err := s.client.Create(ctx, cluster); err != nil {
		t.Fatal(err)
	}
	if err := s.client.Delete(ctx, cluster); err != nil {
		t.Fatal(err)
	}
	held := s.get(ctx, t, "member4")
	if held.DeletionTimestamp == nil || held.Generation != 2 {
		t.Errorf("a deleted cluster with a finalizer: %+v", held.ObjectMeta)
	}
	held.Finalizers = nil
	if err := s.client.Update(ctx, held); err != nil {
		t.Fatal(err)
	}
	if err := s.client.Get(ctx, client.ObjectKey{Name: "member4"}, held); !apierrors.IsNotFound(err) {
		t.Errorf("a deleted cluster without finalizers: %v", err)
	}
	if err := s.client.Create(ctx, newCluster("member5")); err != nil {
		t.Fatal(err)
	}
	if err := s.client.DeleteAllOf(ctx, &clusterv1alpha1.Cluster{}, client.MatchingFields{"metadata.name": "member5"}); err != nil {
		t.Fatal(err)
	}
	if err := s.client.Get(ctx, client.ObjectKey{Name: "member5"}, held); !apierrors.IsNotFound(err) {
		t.Errorf("a cluster deleted by its name: %v", err)
	}
	s.get(ctx, t, "member1")
}
