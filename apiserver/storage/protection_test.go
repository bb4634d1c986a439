package storage

import (
	"context"
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
)

// TestProtectedObjectsStay: with a Cluster goes all that it has been given.
func TestProtectedObjectsStay(t *testing.T) {
	other := errors.New("somebody else refuses")
	refuse := func(context.Context, runtime.Object) error { return other }
	for name, c := range map[string]struct {
		label   string
		further rest.ValidateObjectFunc
		says    string
	}{
		"protected":                   {"Always", nil, "remove the label"},
		"protected, whoever else":     {"Always", refuse, "remove the label"},
		"of another value":            {"never", nil, ""},
		"free":                        {"", nil, ""},
		"free, and somebody else not": {"", refuse, other.Error()},
	} {
		cluster := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "member1"}}
		if c.label != "" {
			cluster.Labels = map[string]string{names.LabelDeletionProtected: c.label}
		}
		err := unlessProtected(clusterv1alpha1.Resource("clusters"), c.further)(t.Context(), cluster)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
		if c.label == "Always" && !apierrors.IsForbidden(err) {
			t.Errorf("%s: %v is no refusal of the server", name, err)
		}
	}
}
