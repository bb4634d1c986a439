package admission

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/seatrial/seatrial/api/names"
)

// DeletionFault says why an object of any kind must not be deleted, nil when it may.
func DeletionFault(object metav1.Object) error {
	if object.GetLabels()[names.LabelDeletionProtected] != names.LabelDeletionProtectedValue {
		return nil
	}
	return fmt.Errorf("%s is protected by label %s=%s; remove the label to delete it",
		names.NamespacedKey(object.GetNamespace(), object.GetName()), names.LabelDeletionProtected,
		names.LabelDeletionProtectedValue)
}
