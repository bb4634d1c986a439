package eviction

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
)

// Brake holds departures from lost clusters back while so much of the fleet is lost that it is taken for a partition. A partition heals
// cluster by cluster, and what is tolerated was over long ago for the last of them: so each lost cluster bears a note, and what is
// tolerated counts from the end of the partition, as Kubernetes restarts the timers of all nodes when the last zone is seen again.
//
// What must not be lost stands in the notes. The zero value is that of a new process, which ends what notes tell of and it cannot see.
type Brake struct {
	// since is when the brake began to hold; zero from when all clusters are seen to bear the end.
	since time.Time
}

// Note is what AnnotationHeldUntil of a cluster is to be; empty for none.
type Note struct {
	Cluster *clusterv1alpha1.Cluster
	Until   string
}

// Look tells what notes are missing on a fleet, in the order of its clusters, while the brake holds or does not. Nothing may leave lost
// clusters until they are seen, for verdicts go by what is seen: then it lets go.
func (b *Brake) Look(clusters []clusterv1alpha1.Cluster, holds bool, now time.Time) (missing []Note, letsGo bool) {
	if holds && b.since.IsZero() {
		b.since = now
	}
	letsGo = !holds
	for i := range clusters {
		until, right := b.note(&clusters[i], holds, now)
		if !right {
			missing = append(missing, Note{&clusters[i], until})
			letsGo = letsGo && until == ""
		}
	}
	if letsGo {
		b.since = time.Time{}
	}
	return missing, letsGo
}

// note is what a cluster shall bear, and whether it does.
func (b *Brake) note(cluster *clusterv1alpha1.Cluster, holds bool, now time.Time) (until string, right bool) {
	borne, noted := cluster.Annotations[names.AnnotationHeldUntil]
	switch {
	case !cluster.DeletionTimestamp.IsZero():
		return borne, true
	case !Lost(cluster):
		return "", !noted
	case holds:
		return names.HeldOpen, borne == names.HeldOpen
	}
	ended, err := time.Parse(time.RFC3339, borne)
	if err == nil && !ended.Before(b.since.Truncate(time.Second)) || !noted && b.since.IsZero() {
		return borne, true
	}
	// The text has whole seconds; the next one errs on the side of waiting.
	return now.Add(time.Second - 1).UTC().Format(time.RFC3339), false
}

// heldUntil is when the last partition ended that a lost cluster was part of: the zero time when there was none, open while it lasts.
// A note that cannot be read is one that lasts until the brake looks at it.
func heldUntil(cluster *clusterv1alpha1.Cluster) (ended time.Time, open bool) {
	borne, noted := cluster.Annotations[names.AnnotationHeldUntil]
	if !noted {
		return time.Time{}, false
	}
	ended, err := time.Parse(time.RFC3339, borne)
	return ended, err != nil
}

// countFrom are taints as if none of them was older than that.
func countFrom(taints []corev1.Taint, start time.Time) []corev1.Taint {
	if start.IsZero() {
		return taints
	}
	counted := make([]corev1.Taint, len(taints))
	for i, taint := range taints {
		if taint.TimeAdded != nil && taint.TimeAdded.Time.Before(start) {
			taint.TimeAdded = &metav1.Time{Time: start}
		}
		counted[i] = taint
	}
	return counted
}
