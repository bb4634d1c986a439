package services

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	multiclusterv1alpha1 "github.com/seatrial/seatrial/api/multicluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/workload"
)

var importKind = multiclusterv1alpha1.GroupVersion.WithKind("ServiceImport")

// derive is the controller named "serviceImport": each ServiceImport with an address of its own gets a Service, which clusters that
// import it know it by. Its keys are ServiceImports.
func derive(options Options) control.Controller {
	return control.Controller{
		Name: "serviceImport",
		Watches: []control.Watch{
			{Object: &multiclusterv1alpha1.ServiceImport{}, Keys: control.Self},
			{Object: &corev1.Service{}, Keys: onDerived},
		},
		Workers:   options.Workers,
		Reconcile: deriveService,
	}
}

// onDerived wakes the ServiceImport of a Service.
func onDerived(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	owner := metav1.GetControllerOfNoCopy(event.Object())
	if owner == nil || owner.Kind != importKind.Kind || event.Old == nil {
		return nil
	}
	return []control.Key{{Namespace: event.Object().GetNamespace(), Name: owner.Name}}
}

func deriveService(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	from := &multiclusterv1alpha1.ServiceImport{}
	if err := deps.Client.Get(ctx, key.NamespacedName(), from); err != nil {
		// What it owns goes with it.
		return control.Result{}, client.IgnoreNotFound(err)
	}
	if !from.DeletionTimestamp.IsZero() || from.Spec.Type != multiclusterv1alpha1.ClusterSetIP {
		return control.Result{}, nil
	}
	written, err := writeDerived(ctx, deps, from)
	switch {
	case apierrors.IsInvalid(err):
		// Only another ServiceImport or Service can change that, and either wakes it.
		deps.Events.Eventf(from, corev1.EventTypeWarning, names.EventSyncDerivedServiceFailed, "%v", err)
		return control.Result{}, nil
	case err != nil && !control.Stale(err):
		deps.Events.Eventf(from, corev1.EventTypeWarning, names.EventSyncDerivedServiceFailed, "%v", err)
	case written:
		deps.Events.Eventf(from, corev1.EventTypeNormal, names.EventSyncDerivedServiceSucceed, "the Service %s is as the ServiceImport says", names.DerivedService(from.Name))
	}
	return control.Result{}, err
}

// writeDerived makes the derived Service be as a ServiceImport says. What an API server or a user added to it stays.
func writeDerived(ctx context.Context, deps control.Deps, from *multiclusterv1alpha1.ServiceImport) (written bool, err error) {
	name := types.NamespacedName{Namespace: from.Namespace, Name: names.DerivedService(from.Name)}
	current := &corev1.Service{}
	err = deps.Client.Get(ctx, name, current)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("reading Service %s: %w", name, err)
	}
	missing := err != nil
	desired := current.DeepCopy()
	desired.Namespace, desired.Name = name.Namespace, name.Name
	desired.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(from, importKind)}
	desired.Spec.Type = corev1.ServiceTypeClusterIP
	desired.Spec.Ports = derivedPorts(from)
	desired.Spec.SessionAffinity = cmp.Or(from.Spec.SessionAffinity, corev1.ServiceAffinityNone)
	if from.Spec.SessionAffinityConfig != nil || desired.Spec.SessionAffinity == corev1.ServiceAffinityNone {
		// Otherwise it is what an API server added.
		desired.Spec.SessionAffinityConfig = from.Spec.SessionAffinityConfig
	}
	switch {
	case missing:
		if err := deps.Client.Create(ctx, desired); err != nil {
			return false, fmt.Errorf("creating Service %s: %w", name, err)
		}
		written = true
	case !current.DeletionTimestamp.IsZero():
		// Its end wakes the ServiceImport.
		return false, nil
	case !workload.Equal(current.Spec, desired.Spec) || !workload.Equal(current.OwnerReferences, desired.OwnerReferences):
		if err := deps.Client.Update(ctx, desired); err != nil {
			return false, fmt.Errorf("updating Service %s: %w", name, err)
		}
		written = true
	}
	reached, err := writeAddresses(ctx, deps, from, desired)
	return written || reached, err
}

// writeAddresses makes the status of a derived Service tell the addresses of its ServiceImport.
func writeAddresses(ctx context.Context, deps control.Deps, from *multiclusterv1alpha1.ServiceImport, desired *corev1.Service) (written bool, err error) {
	present := desired.Status.LoadBalancer.Ingress
	if slices.EqualFunc(present, from.Spec.IPs, func(i corev1.LoadBalancerIngress, ip string) bool { return i.IP == ip }) {
		return false, nil
	}
	desired.Status.LoadBalancer.Ingress = nil
	for _, ip := range from.Spec.IPs {
		desired.Status.LoadBalancer.Ingress = append(desired.Status.LoadBalancer.Ingress, corev1.LoadBalancerIngress{IP: ip})
	}
	if err := deps.Client.Status().Update(ctx, desired); err != nil {
		return false, fmt.Errorf("writing the addresses of ServiceImport %s/%s to Service %s: %w", from.Namespace, from.Name, desired.Name, err)
	}
	return true, nil
}

// derivedPorts are the ports of a ServiceImport, with what an API server would add.
func derivedPorts(from *multiclusterv1alpha1.ServiceImport) []corev1.ServicePort {
	var ports []corev1.ServicePort
	for _, port := range from.Spec.Ports {
		ports = append(ports, corev1.ServicePort{
			Name: port.Name, Protocol: cmp.Or(port.Protocol, corev1.ProtocolTCP), AppProtocol: port.AppProtocol, Port: port.Port,
			TargetPort: intstr.FromInt32(port.Port),
		})
	}
	return ports
}
