package install

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/deploy"
)

// check finds out in advance what would fail halfway, and completes the values by what the host shows.
func (i *installation) check(ctx context.Context, _ func(string)) error {
	if err := checkAdvertised(i.Advertised); err != nil {
		return err
	}
	if err := i.checkRights(ctx); err != nil {
		return err
	}
	if err := i.findNodes(ctx); err != nil {
		return err
	}
	if err := i.findImages(ctx); err != nil {
		return err
	}
	if err := i.values.Validate(); err != nil {
		return err
	}
	return errors.Join(i.checkNamespace(ctx), i.checkOthers(ctx), i.checkPort(ctx), i.checkStorage(ctx))
}

// checkRights asks whether the caller may do what will be done.
func (i *installation) checkRights(ctx context.Context) error {
	for _, right := range []authorizationv1.ResourceAttributes{
		{Verb: "create", Resource: "namespaces"},
		{Verb: "list", Resource: "nodes"},
		{Verb: "patch", Group: "apps", Resource: "deployments", Namespace: i.values.Namespace},
		{Verb: "patch", Resource: "secrets", Namespace: i.values.Namespace},
		{Verb: "create", Resource: "pods", Subresource: "portforward", Namespace: i.values.Namespace},
	} {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &right}}
		if err := i.host.Create(ctx, review); err != nil {
			return fmt.Errorf("asking the host what may be done there (see --kubeconfig and --context): %w", err)
		}
		if !review.Status.Allowed {
			return fmt.Errorf("this user may not %s %s in the host: installing takes an administrator's kubeconfig", right.Verb, right.Resource)
		}
	}
	return nil
}

// mostNodes bounds the nodes whose addresses stand in the certificate of the API server.
const mostNodes = 20

// findNodes lists the addresses of the host's nodes, those that can be reached from farther away first.
func (i *installation) findNodes(ctx context.Context) error {
	nodes := &corev1.NodeList{}
	if err := i.host.List(ctx, nodes); err != nil {
		return fmt.Errorf("listing the nodes of the host: %w", err)
	}
	if len(nodes.Items) == 0 {
		return errors.New("the host has no nodes: nothing could run there")
	}
	slices.SortFunc(nodes.Items, func(a, b corev1.Node) int { return cmp.Compare(a.Name, b.Name) })
	for _, kind := range []corev1.NodeAddressType{corev1.NodeExternalIP, corev1.NodeInternalIP} {
		for n := range nodes.Items[:min(len(nodes.Items), mostNodes)] {
			for _, address := range nodes.Items[n].Status.Addresses {
				if address.Type == kind && net.ParseIP(address.Address) != nil {
					i.nodes = append(i.nodes, address.Address)
				}
			}
		}
	}
	if i.Advertised == "" && len(i.nodes) == 0 {
		return errors.New("the nodes of the host have no addresses: say with --karmada-apiserver-advertise-address by which one the control plane is reached")
	}
	return nil
}

// findImages takes for programs of Kubernetes, where none were given, the images that this installation runs already, or else those
// that the host's own control plane runs: they are there, whatever registry the host uses.
func (i *installation) findImages(ctx context.Context) error {
	images := &i.values.Images
	for _, wanted := range []struct {
		component, app string
		image          *string
	}{
		{"kube-apiserver", deploy.APIServer, &images.KubeAPIServer},
		{"kube-controller-manager", "karmada-kube-controller-manager", &images.KubeControllerManager},
		{"etcd", deploy.Etcd, &images.Etcd},
	} {
		if *wanted.image != "" {
			continue
		}
		pods, err := podsOf(ctx, i.host, i.values.Namespace, labels.SelectorFromSet(labels.Set{"app": wanted.app, deploy.LabelManagedBy: deploy.ManagedBy}))
		if err == nil && len(pods) == 0 {
			pods, err = podsOf(ctx, i.host, metav1.NamespaceSystem, labels.SelectorFromSet(labels.Set{"component": wanted.component}))
		}
		if err != nil {
			return err
		}
		if len(pods) == 0 || len(pods[0].Spec.Containers) == 0 {
			return fmt.Errorf("the host does not show which image of %s it runs: name one with --%s-image", wanted.component, wanted.component)
		}
		*wanted.image = pods[0].Spec.Containers[0].Image
	}
	return nil
}

func (i *installation) checkNamespace(ctx context.Context) error {
	namespace := &corev1.Namespace{}
	err := i.host.Get(ctx, client.ObjectKey{Name: i.values.Namespace}, namespace)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking at namespace %s of the host: %w", i.values.Namespace, err)
	}
	if namespace.DeletionTimestamp != nil {
		return fmt.Errorf("namespace %s of the host is being removed: try again once it is gone", i.values.Namespace)
	}
	return nil
}

// checkOthers refuses to build over what somebody else installed: its etcd would be lost.
func (i *installation) checkOthers(ctx context.Context) error {
	present := &appsv1.Deployment{}
	name := client.ObjectKey{Namespace: i.values.Namespace, Name: deploy.APIServer}
	err := i.host.Get(ctx, name, present)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for Deployment %s in the host: %w", name, err)
	}
	if present.Labels[deploy.LabelManagedBy] != deploy.ManagedBy {
		return fmt.Errorf("the Deployment %s was made by somebody else: remove that installation first, or choose another --namespace and --port", name)
	}
	return nil
}

func (i *installation) checkPort(ctx context.Context) error {
	services := &corev1.ServiceList{}
	if err := i.host.List(ctx, services); err != nil {
		return fmt.Errorf("listing the Services of the host: %w", err)
	}
	for _, service := range services.Items {
		if service.Namespace == i.values.Namespace && service.Name == deploy.APIServer {
			continue
		}
		for _, port := range service.Spec.Ports {
			if port.NodePort == i.values.NodePort {
				return fmt.Errorf("the Service %s/%s of the host has node port %d already: choose another with --port",
					service.Namespace, service.Name, port.NodePort)
			}
		}
	}
	return nil
}

const defaultClassAnnotation = "storageclass.kubernetes.io/is-default-class"

func (i *installation) checkStorage(ctx context.Context) error {
	if i.values.Storage == nil {
		return nil
	}
	classes := &storagev1.StorageClassList{}
	if err := i.host.List(ctx, classes); err != nil {
		return fmt.Errorf("listing the storage classes of the host: %w", err)
	}
	wanted := i.values.Storage.Class
	for _, class := range classes.Items {
		if class.Name == wanted || wanted == "" && class.Annotations[defaultClassAnnotation] == "true" {
			return nil
		}
	}
	if wanted != "" {
		return fmt.Errorf("the host has no storage class %s: see kubectl get storageclass", wanted)
	}
	return errors.New("the host has no default storage class to keep etcd's data: name one with --storage-classes-name, " +
		"or accept with --etcd-storage-mode emptyDir that the data is lost with etcd's pod")
}

// checkAdvertised refuses what would not be an address in a URL, a URL itself among it.
func checkAdvertised(address string) error {
	if address == "" {
		return nil
	}
	host := address
	if name, port, err := net.SplitHostPort(address); err == nil {
		number, err := strconv.Atoi(port)
		if err != nil || len(validation.IsValidPortNum(number)) > 0 {
			return fmt.Errorf("--karmada-apiserver-advertise-address %q: %q is no port", address, port)
		}
		host = name
	}
	if net.ParseIP(host) == nil && len(validation.IsDNS1123Subdomain(strings.ToLower(host))) > 0 {
		return fmt.Errorf("--karmada-apiserver-advertise-address %q: %q is neither a DNS name nor an IP address", address, host)
	}
	return nil
}

// endpoint is the URL by which the control plane is known outside.
func (i *installation) endpoint() string {
	address := cmp.Or(i.Advertised, i.known)
	if address == "" {
		address = i.nodes[0]
	}
	if host, port, err := net.SplitHostPort(address); err == nil {
		return "https://" + net.JoinHostPort(host, port)
	}
	return "https://" + net.JoinHostPort(address, strconv.Itoa(int(i.values.NodePort)))
}
