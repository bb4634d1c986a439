// Package scheme registers the kinds the control plane works with.
package scheme

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"

	appsv1alpha1 "github.com/seatrial/seatrial/api/apps/v1alpha1"
	autoscalingv1alpha1 "github.com/seatrial/seatrial/api/autoscaling/v1alpha1"
	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	multiclusterv1alpha1 "github.com/seatrial/seatrial/api/multicluster/v1alpha1"
	networkingv1alpha1 "github.com/seatrial/seatrial/api/networking/v1alpha1"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	remedyv1alpha1 "github.com/seatrial/seatrial/api/remedy/v1alpha1"
	searchv1alpha1 "github.com/seatrial/seatrial/api/search/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// AddToScheme registers every kind of this module, the built-in kinds of Kubernetes, and CustomResourceDefinition. For a kind
// with several versions, the one that is stored comes first in the scheme's order.
func AddToScheme(scheme *runtime.Scheme) error {
	builder := runtime.NewSchemeBuilder(
		clientgoscheme.AddToScheme,
		apiextensionsv1.AddToScheme,
		appsv1alpha1.AddToScheme,
		autoscalingv1alpha1.AddToScheme,
		clusterv1alpha1.AddToScheme,
		configv1alpha1.AddToScheme,
		multiclusterv1alpha1.AddToScheme,
		networkingv1alpha1.AddToScheme,
		policyv1alpha1.AddToScheme,
		remedyv1alpha1.AddToScheme,
		searchv1alpha1.AddToScheme,
		workv1alpha2.AddToScheme,
		workv1alpha1.AddToScheme,
	)
	return builder.AddToScheme(scheme)
}
