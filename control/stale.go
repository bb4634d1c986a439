package control

import apierrors "k8s.io/apimachinery/pkg/api/errors"

// Stale tells an error that comes from acting on a read older than someone's write: a conflict, or the creation of what is
// there already. Another turn settles it, so drivers retry soon and controllers do not report it.
func Stale(err error) bool {
	return err != nil && (apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err))
}
