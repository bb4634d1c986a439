package apiserver

import (
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/component-base/featuregate"
	logsapi "k8s.io/component-base/logs/api/v1"
)

// CustomizedClusterResourceModeling lets clusters bring their own resource models and gives the others the default ones.
const CustomizedClusterResourceModeling featuregate.Feature = "CustomizedClusterResourceModeling"

// The generic API server reads its gates from one registry of the process, so --feature-gates can only reach both through it.
func init() {
	utilruntime.Must(utilfeature.DefaultMutableFeatureGate.Add(map[featuregate.Feature]featuregate.FeatureSpec{
		CustomizedClusterResourceModeling: {Default: true, PreRelease: featuregate.Beta},
	}))
	utilruntime.Must(logsapi.AddFeatureGates(utilfeature.DefaultMutableFeatureGate))
}
