package eviction

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/util/jsonpath"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// PreservedLabels reads facts from the status of a copy that is given up, as labels for its replacement. A fact that is not there
// gives no label.
func PreservedLabels(preservation *policyv1alpha1.StatePreservation, copies []workv1alpha2.AggregatedStatusItem, cluster string) (map[string]string, error) {
	if preservation == nil || len(preservation.Rules) == 0 {
		return nil, nil
	}
	view := View{Copies: copies}
	item := view.copyIn(cluster)
	if item == nil || item.Status == nil || len(item.Status.Raw) == 0 {
		return nil, fmt.Errorf("preserving the state of the copy in cluster %s: it has reported no status yet", cluster)
	}
	var status any
	if err := json.Unmarshal(item.Status.Raw, &status); err != nil {
		return nil, fmt.Errorf("preserving the state of the copy in cluster %s: its status is no JSON: %w", cluster, err)
	}
	var labels map[string]string
	for _, rule := range preservation.Rules {
		value, found, err := lookUp(rule.JSONPath, status)
		if err != nil {
			return nil, fmt.Errorf("preserving the state of the copy in cluster %s for label %s: %w", cluster, rule.AliasLabelName, err)
		}
		if !found {
			continue
		}
		if faults := validation.IsValidLabelValue(value); len(faults) > 0 {
			return nil, fmt.Errorf("preserving the state of the copy in cluster %s: %s leads to %q, which cannot be the value of a label: %s",
				cluster, rule.JSONPath, value, strings.Join(faults, "; "))
		}
		if labels == nil {
			labels = map[string]string{}
		}
		labels[rule.AliasLabelName] = value
	}
	return labels, nil
}

// lookUp finds the one value a path leads to.
func lookUp(path string, in any) (value string, found bool, err error) {
	query := jsonpath.New("state").AllowMissingKeys(true)
	if err := query.Parse(path); err != nil {
		return "", false, fmt.Errorf("reading the path %q: %w", path, err)
	}
	results, err := query.FindResults(in)
	if err != nil {
		return "", false, fmt.Errorf("following the path %q: %w", path, err)
	}
	if len(results) == 0 || len(results[0]) == 0 {
		return "", false, nil
	}
	if len(results) > 1 || len(results[0]) > 1 {
		return "", false, errors.New("the path " + path + " leads to several values")
	}
	switch found := results[0][0].Interface().(type) {
	case string:
		return found, true, nil
	case nil:
		return "", false, nil
	default:
		encoded, err := json.Marshal(found)
		return string(encoded), true, err
	}
}

// InjectedLabels are the labels that the copy in a cluster gets from the copy it replaces: those of the last task, when there is
// one target, and only in a cluster that did not run the workload before.
func InjectedLabels(spec *workv1alpha2.ResourceBindingSpec, cluster string) map[string]string {
	if len(spec.Clusters) != 1 || len(spec.GracefulEvictionTasks) == 0 {
		return nil
	}
	last := &spec.GracefulEvictionTasks[len(spec.GracefulEvictionTasks)-1]
	if last.FromCluster == cluster {
		return nil
	}
	for _, before := range last.ClustersBeforeFailover {
		if before == cluster {
			return nil
		}
	}
	return last.PreservedLabelState
}
