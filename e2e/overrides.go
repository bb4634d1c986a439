package e2e

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/fleet"
)

// OverridesApplyPerCluster changes a copy in one member by an override policy: the others stay as the template is, the Work
// records what was applied, and the copy follows when the policy changes and when it goes.
func OverridesApplyPerCluster(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("override")()
	config := configMap("override", "settings", map[string]string{"mode": "calm"})
	f.create(config)
	f.propagate(config, "member1", "member2")
	f.awaitHolders(config, "member1", "member2")

	override := &policyv1alpha1.OverridePolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "override", Name: "loud"},
		Spec: policyv1alpha1.OverrideSpec{
			ResourceSelectors: []policyv1alpha1.ResourceSelector{{APIVersion: "v1", Kind: "ConfigMap", Namespace: "override", Name: "settings"}},
			OverrideRules: []policyv1alpha1.RuleWithCluster{{
				TargetCluster: &policyv1alpha1.ClusterAffinity{ClusterNames: []string{"member2"}},
				Overriders:    replaceMode("loud"),
			}},
		},
	}
	f.create(override)
	mode := func(member, wanted string) {
		t.Helper()
		eventually(f, f.member(member), config, "mode "+wanted+" in "+member, func(found *corev1.ConfigMap) bool { return found.Data["mode"] == wanted })
	}
	mode("member2", "loud")
	mode("member1", "calm")
	eventually(f, f.plane, f.workOf(config, "member2"), "a record of what was applied", func(found *workv1alpha1.Work) bool {
		return found.Annotations[names.AnnotationAppliedOverrides] != ""
	})

	update(f, f.plane, override, func(o *policyv1alpha1.OverridePolicy) { o.Spec.OverrideRules[0].Overriders = replaceMode("louder") })
	mode("member2", "louder")
	f.delete(f.plane, override)
	mode("member2", "calm")
	eventually(f, f.plane, f.workOf(config, "member2"), "no record of what is no longer applied", func(found *workv1alpha1.Work) bool {
		return found.Annotations[names.AnnotationAppliedOverrides] == ""
	})
}

func replaceMode(value string) policyv1alpha1.Overriders {
	return policyv1alpha1.Overriders{Plaintext: []policyv1alpha1.PlaintextOverrider{{
		Path: "/data/mode", Operator: policyv1alpha1.OverriderOpReplace, Value: apiextensionsv1.JSON{Raw: []byte(`"` + value + `"`)},
	}}}
}
