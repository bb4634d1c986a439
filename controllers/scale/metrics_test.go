package scale

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/seatrial/seatrial/autoscale"
	"github.com/seatrial/seatrial/control"
)

// measured is a fleet whose members serve metrics; nil is a member that cannot be reached.
type measured map[string]client.Reader

func (m measured) Member(_ context.Context, cluster string) (control.Member, error) {
	reader, known := m[cluster]
	if !known {
		return nil, control.ErrNoMember
	}
	return measuredMember{live: reader}, nil
}

type measuredMember struct {
	control.Member
	live client.Reader
}

func (m measuredMember) Live() client.Reader { return m.live }

var (
	web    = map[string]string{"app": "web"}
	readAt = metav1.NewTime(time.Unix(1_700_000_000, 0))
)

// podUse is what a pod's containers use of CPU; an empty amount is one without a reading.
func podUse(name string, labelled map[string]string, containers map[string]string) *metricsv1beta1.PodMetrics {
	pod := &metricsv1beta1.PodMetrics{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: labelled}, Timestamp: readAt, Window: metav1.Duration{Duration: 15 * time.Second},
	}
	for container, amount := range containers {
		use := metricsv1beta1.ContainerMetrics{Name: container, Usage: corev1.ResourceList{}}
		if amount != "" {
			use.Usage[corev1.ResourceCPU] = resource.MustParse(amount)
		}
		pod.Containers = append(pod.Containers, use)
	}
	return pod
}

func serving(t *testing.T, pods ...client.Object) client.Reader {
	t.Helper()
	kinds := runtime.NewScheme()
	if err := metricsv1beta1.AddToScheme(kinds); err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(kinds).WithObjects(pods...).Build()
}

func failing(err error) client.Reader {
	return fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return err },
	}).Build()
}

func TestUseOfMembers(t *testing.T) {
	unserved := &meta.NoKindMatchError{GroupKind: metricsv1beta1.SchemeGroupVersion.WithKind("PodMetrics").GroupKind()}
	sample := func(milli int64) autoscale.Sample {
		return autoscale.Sample{Value: milli, At: readAt.Time, Window: 15 * time.Second}
	}
	fleet := measured{
		"member1": serving(t,
			podUse("web-1", web, map[string]string{"web": "250m", "proxy": "50m"}),
			podUse("starting", web, map[string]string{"web": "10m", "proxy": ""}),
			podUse("other", map[string]string{"app": "other"}, map[string]string{"web": "1"})),
		"member2": serving(t, podUse("web-1", web, map[string]string{"web": "1500m"})),
		"bare":    failing(unserved),
	}
	for name, tc := range map[string]struct {
		clusters  []string
		container string
		want      autoscale.Samples
		err       error
	}{
		"pods of all clusters, containers added up": {clusters: []string{"member1", "member2"}, want: autoscale.Samples{
			{Cluster: "member1", Name: "web-1"}: sample(300), {Cluster: "member2", Name: "web-1"}: sample(1500),
		}},
		"one container": {clusters: []string{"member1"}, container: "web", want: autoscale.Samples{
			{Cluster: "member1", Name: "web-1"}: sample(250), {Cluster: "member1", Name: "starting"}: sample(10),
		}},
		"a cluster without metrics is left out": {clusters: []string{"bare", "member2", "gone"}, want: autoscale.Samples{{Cluster: "member2", Name: "web-1"}: sample(1500)}},
		"no cluster has metrics":                {clusters: []string{"bare", "gone"}, err: unserved},
		"no cluster can be reached":             {clusters: []string{"gone"}, err: control.ErrNoMember},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := members{Members: fleet, clusters: tc.clusters}.Resource(t.Context(), "shop", labels.SelectorFromSet(web), corev1.ResourceCPU, tc.container)
			if !errors.Is(err, tc.err) {
				t.Fatalf("error %v, want %v", err, tc.err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("samples (-want +got):\n%s", diff)
			}
		})
	}
}
