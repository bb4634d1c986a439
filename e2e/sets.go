package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/utils/ptr"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/examples/nginx"
	"github.com/seatrial/seatrial/examples/policies"
	"github.com/seatrial/seatrial/fleet"
)

// The suites of this file apply the files of the examples as they are, to a fleet whose members are those of a default fleet: member1
// of provider-a in region-1, member2 of provider-a and member3 of provider-b in region-2.

// NginxExample applies the example of the first steps: six replicas in three clusters, divided 1 : 2 : 3.
func NginxExample(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	f.apply(nginx.Files, ".")
	f.awaitPlacement(nginx.Namespace, nginx.Name, map[string]int32{"member1": 1, "member2": 2, "member3": 3})
	f.awaitApplied(nginx.Namespace, nginx.Name)
	for _, object := range f.created {
		f.delete(f.plane, object)
	}
	f.awaitHolders(deployment(nginx.Namespace, nginx.Name, 0))
	f.awaitNoOrphans(nginx.Namespace)
}

// ActiveActive serves from all clusters at once: when one is lost, the others take its part over.
func ActiveActive(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.example("active-active")()
	web, service := deployment("active-active", "shop", 0), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "active-active", Name: "shop"}}
	f.awaitPlacement("active-active", "shop", map[string]int32{"member1": 2, "member2": 2, "member3": 2})
	f.awaitHolders(service, members...)
	f.lose("member2", web, 6, "member1", "member3")
	f.awaitMembers(web, "member1", "member3")
	f.find("member2")
	f.awaitReplicas(web, 6)
}

// RemoteDisasterRecovery runs in one region, and in another one when that is lost.
func RemoteDisasterRecovery(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.example("remote-disaster-recovery")()
	web := deployment("remote-disaster-recovery", "shop", 0)
	settings := configMap("remote-disaster-recovery", "settings", nil)
	f.awaitPlacement("remote-disaster-recovery", "shop", map[string]int32{"member1": 4})
	f.awaitMembers(web, "member1")
	f.awaitHolders(settings, "member1")
	f.lose("member1", web, 4, "member2", "member3")
	f.awaitBinding(web, "the other region", func(b binding.Binding) bool { return !eviction.Targets(b.Spec, "member1") })
	f.find("member1")
	f.awaitAbsent(f.member("member1"), web)
	f.awaitReplicas(web, 4)
}

// GeoRedundant has a whole copy in each of two regions: when the cluster of one is lost, another one of that region takes its place.
func GeoRedundant(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.example("geo-redundant")()
	web := deployment("geo-redundant", "shop", 0)
	second := ""
	f.awaitBinding(web, "a cluster in each region", func(b binding.Binding) bool {
		for _, second = range []string{"member2", "member3"} {
			if scheduled(b, "member1", second) {
				return true
			}
		}
		return false
	})
	f.awaitReplicas(web, 6)
	other := map[string]string{"member2": "member3", "member3": "member2"}[second]
	f.lose(second, web, 6, "member1", other)
	f.awaitMembers(web, "member1", other)
	f.find(second)
	f.awaitHolders(web, "member1", other)
}

// ImagePrefixByRegion pulls images from the registry of the region in which a cluster is.
func ImagePrefixByRegion(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.example("image-prefix-by-region")()
	for member, image := range map[string]string{
		"member1": "region-1.images.example.com/shop/nginx:1.28",
		"member2": "region-2.images.example.com/shop/nginx:1.28",
		"member3": "region-2.images.example.com/shop/nginx:1.28",
	} {
		f.awaitImage("image-prefix-by-region", "shop", image, member)
	}
}

// StorageClassByProvider asks each provider for storage by the name that it has there.
func StorageClassByProvider(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.example("storageclass-by-provider")()
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "storageclass-by-provider", Name: "data"}}
	for member, class := range map[string]string{"member1": "provider-a-ssd", "member2": "provider-a-ssd", "member3": "provider-b-premium"} {
		eventually(f, f.member(member), claim, "storage class "+class+" in "+member, func(found *corev1.PersistentVolumeClaim) bool {
			return ptr.Deref(found.Spec.StorageClassName, "") == class
		})
	}
}

// KubernetesVersion places by the version that clusters are labelled with: a workload reaches a cluster once that is new enough.
func KubernetesVersion(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	for member, version := range map[string]string{"member1": "1.36", "member2": "1.34", "member3": "1.36"} {
		f.labelVersion(member, version)
	}
	defer func() {
		for _, member := range members {
			f.labelVersion(member, "")
		}
	}()
	defer f.example("kubernetes-version")()
	config := configMap("kubernetes-version", "needs-1.35", nil)
	f.awaitHolders(config, "member1", "member3")
	f.awaitHolders(configMap("kubernetes-version", "legacy", nil), "member2")
	f.labelVersion("member2", "1.35")
	f.awaitHolders(config, members...)
}

// DefaultPolicies divides what has no policy of its own, in any namespace, with what it needs, and leaves what has one to that, for as
// long as it has.
func DefaultPolicies(t *testing.T, env fleet.Environment) {
	const space = "default-policies"
	f := start(t, env)
	defer f.example(space)()
	everywhere := map[string]int32{"member1": 1, "member2": 1, "member3": 1}
	f.awaitPlacement(space, "shop", everywhere)
	f.awaitHolders(configMap(space, "settings", nil), members...)
	f.awaitPlacement(space, "ledger", map[string]int32{"member1": 3})
	other, web := namespace("default-elsewhere"), deployment("default-elsewhere", "web", 3)
	f.createIn(f.plane, other)
	f.createIn(f.plane, web)
	f.awaitPlacement(other.Name, web.Name, everywhere)
	f.delete(f.plane, web)
	f.awaitHolders(web)
	f.delete(f.plane, other)
	f.awaitAbsent(f.plane, other)
	f.delete(f.plane, &policyv1alpha1.PropagationPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: space, Name: "ledger"}})
	f.awaitPlacement(space, "ledger", everywhere)
}

// labelVersion says which version a cluster is of, nothing when it is empty.
func (f *fixture) labelVersion(cluster, version string) {
	f.Helper()
	const name = "example.com/kubernetes"
	update(f, f.plane, clusterNamed(cluster), func(c *clusterv1alpha1.Cluster) {
		delete(c.Labels, name)
		if version != "" {
			metav1.SetMetaDataLabel(&c.ObjectMeta, name, version)
		}
	})
}

// lose kills a cluster, and waits until all replicas are ready in the others.
func (f *fixture) lose(cluster string, web *appsv1.Deployment, replicas int32, others ...string) {
	f.Helper()
	f.must(f.env.Kill(f.ctx, cluster))
	f.await(toNotice, fmt.Sprintf("%d ready replicas in %v", replicas, others), func(ctx context.Context) (bool, error) {
		ready, err := f.readyIn(ctx, web, others...)
		return ready == replicas, err
	})
}

// find brings a lost cluster back.
func (f *fixture) find(cluster string) {
	f.Helper()
	f.must(f.env.Revive(f.ctx, cluster))
	f.awaitReady(cluster)
}

// example applies a set of policies. What it returns takes the set away again, with the namespace of its name.
func (f *fixture) example(set string) (cleanUp func()) {
	f.Helper()
	f.apply(policies.Files, set)
	return func() {
		f.Helper()
		if !f.Failed() {
			for _, object := range f.created {
				if object.GetNamespace() == "" && object.GetObjectKind().GroupVersionKind().Kind != "Namespace" {
					f.delete(f.plane, object)
				}
			}
		}
		f.vacate(set)
	}
}

// apply creates the objects of the files in a folder, in the order in which kubectl apply -f does.
func (f *fixture) apply(files fs.FS, folder string) {
	f.Helper()
	entries, err := fs.ReadDir(files, folder)
	f.must(err)
	for _, entry := range entries {
		path := strings.TrimPrefix(folder+"/"+entry.Name(), "./")
		if !strings.HasSuffix(path, ".yaml") {
			continue
		}
		file, err := files.Open(path)
		f.must(err)
		decoder := yaml.NewYAMLOrJSONDecoder(file, 4096)
		for {
			object := &unstructured.Unstructured{}
			if err := decoder.Decode(object); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				f.Fatalf("reading %s: %v", path, err)
			}
			if object.GetNamespace() == "" && object.GetKind() != "Namespace" && !strings.HasPrefix(object.GetKind(), "Cluster") {
				object.SetNamespace(metav1.NamespaceDefault)
			}
			f.create(object)
		}
		f.must(file.Close())
	}
}
