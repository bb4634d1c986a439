// Package deploy holds the manifests of a control plane that runs inside a cluster, its host, and fills in what differs between
// installations. The files are whole manifests: values are set in the objects read from them, never in their text.
package deploy

import (
	"bufio"
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/yaml"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/admission"
)

//go:embed *.yaml
var files embed.FS

// The label that everything an installation made bears.
const (
	LabelManagedBy = "app.kubernetes.io/managed-by"
	ManagedBy      = "seatrial"
)

// Names of what others look for.
const (
	APIServer           = "karmada-apiserver"
	AggregatedAPIServer = "karmada-aggregated-apiserver"
	Webhook             = "karmada-webhook"
	Etcd                = "etcd"
	Estimator           = "karmada-scheduler-estimator"

	// MemberNamespace is where the account of a member's estimator stands in the member.
	MemberNamespace = "karmada-cluster"
	// APIServerPort is the port of the control plane's API server in its Service.
	APIServerPort = 5443
)

// Images are those of the programs, by the names that stand for them in the manifests.
type Images struct {
	// Seatrial has this program as its entry point.
	Seatrial string
	// KubeAPIServer, KubeControllerManager and Etcd have programs of these names in their PATH.
	KubeAPIServer, KubeControllerManager, Etcd string
}

func (i Images) byName() map[string]string {
	return map[string]string{
		"seatrial": i.Seatrial, "kube-apiserver": i.KubeAPIServer, "kube-controller-manager": i.KubeControllerManager, "etcd": i.Etcd,
	}
}

// Claim asks for a volume that outlives pods.
type Claim struct {
	// Class is a StorageClass of the host; empty means its default one.
	Class string
	Size  resource.Quantity
}

// Values are what differs between installations.
type Values struct {
	Namespace string
	Images    Images
	// PullSecrets are names of Secrets in the namespace, for registries that ask who is there.
	PullSecrets []string
	// Replicas is how many of each component run, but for etcd, which is one.
	Replicas int32
	// NodePort is the port on every node of the host by which the API server is reached from outside.
	NodePort int32
	// Storage is where etcd keeps its data; nil means in its pod, with which it is lost.
	Storage *Claim
}

const mostReplicas = 5

// Validate names every value that cannot be.
func (v Values) Validate() error {
	var errs []error
	if faults := validation.IsDNS1123Label(v.Namespace); len(faults) > 0 {
		errs = append(errs, fmt.Errorf("namespace %q: %s", v.Namespace, faults[0]))
	}
	if strings.HasPrefix(v.Namespace, "kube-") || v.Namespace == "default" {
		errs = append(errs, fmt.Errorf("namespace %s belongs to the host: choose one for the control plane alone", v.Namespace))
	}
	for _, image := range []struct{ of, ref string }{
		{"seatrial", v.Images.Seatrial}, {"kube-apiserver", v.Images.KubeAPIServer},
		{"kube-controller-manager", v.Images.KubeControllerManager}, {"etcd", v.Images.Etcd},
	} {
		if image.ref == "" || strings.ContainsAny(image.ref, " \t\r\n\"'") {
			errs = append(errs, fmt.Errorf("the image of %s is %q, which is none", image.of, image.ref))
		}
	}
	for _, name := range v.PullSecrets {
		if faults := validation.IsDNS1123Subdomain(name); len(faults) > 0 {
			errs = append(errs, fmt.Errorf("pull secret %q: %s", name, faults[0]))
		}
	}
	if v.Replicas < 1 || v.Replicas > mostReplicas {
		errs = append(errs, fmt.Errorf("%d replicas: each component has 1 to %d", v.Replicas, mostReplicas))
	}
	if faults := validation.IsValidPortNum(int(v.NodePort)); len(faults) > 0 {
		errs = append(errs, fmt.Errorf("node port %d: %s", v.NodePort, faults[0]))
	}
	if v.Storage != nil && v.Storage.Size.Sign() <= 0 {
		errs = append(errs, fmt.Errorf("a volume of %s for etcd: it needs a size above 0", v.Storage.Size.String()))
	}
	return errors.Join(errs...)
}

// Manifests are the objects of a control plane in its host, in the order in which they are of use.
type Manifests struct {
	// Foundation is what the others stand in: the namespace and the account.
	Foundation []client.Object
	// API is etcd and the API server.
	API []client.Object
	// Servers are whom the API server asks, and what signs certificates.
	Servers []client.Object
	// Controllers end with an error when they find kinds of the servers missing.
	Controllers []client.Object
}

// Render makes the manifests.
func Render(values Values) (Manifests, error) {
	if err := values.Validate(); err != nil {
		return Manifests{}, err
	}
	var m Manifests
	for _, part := range []struct {
		into  *[]client.Object
		files []string
	}{
		{&m.Foundation, []string{"namespace.yaml"}},
		{&m.API, []string{"etcd.yaml", "apiserver.yaml"}},
		{&m.Servers, []string{"kube-controller-manager.yaml", "aggregated-apiserver.yaml", "webhook.yaml"}},
		{&m.Controllers, []string{"controller-manager.yaml", "scheduler.yaml"}},
	} {
		for _, file := range part.files {
			objects, err := read(file)
			if err != nil {
				return Manifests{}, err
			}
			*part.into = append(*part.into, values.fill(objects)...)
		}
	}
	return m, nil
}

// RenderEstimator makes the manifests of the estimator of a member.
func RenderEstimator(values Values, member string) ([]client.Object, error) {
	if faults := admission.ClusterNameFaults(member); len(faults) > 0 {
		return nil, fmt.Errorf("an estimator of %q: %s", member, faults[0])
	}
	objects, err := read("estimator.yaml")
	if err != nil {
		return nil, err
	}
	forMember(objects, member)
	return values.fill(objects), nil
}

// Plane gives the objects that a control plane has in its own API server from the start.
func Plane() ([]client.Object, error) { return managed("plane.yaml") }

// Member gives the objects by which an estimator may look at its member.
func Member() ([]client.Object, error) { return managed("member.yaml") }

func managed(file string) ([]client.Object, error) {
	objects, err := read(file)
	for _, object := range objects {
		mark(object)
	}
	return objects, err
}

// read decodes a file. What a kind does not know is a mistake in the file.
func read(file string) ([]client.Object, error) {
	text, err := files.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the manifests of %s: %w", file, err)
	}
	decoder := serializer.NewCodecFactory(clientgoscheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	var objects []client.Object
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading the manifests of %s: %w", file, err)
		}
		decoded, err := runtime.Decode(decoder, document)
		if err != nil {
			return nil, fmt.Errorf("reading manifest %d of %s: %w", len(objects)+1, file, err)
		}
		object, isObject := decoded.(client.Object)
		if _, err := meta.Accessor(decoded); err != nil || !isObject {
			return nil, fmt.Errorf("manifest %d of %s is a list: give each object a document of its own", len(objects)+1, file)
		}
		objects = append(objects, object)
	}
}
