package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/seatrial/seatrial/rebalance/drain"
)

func newTaintCommand() *cobra.Command {
	c := &clusterChange{}
	overwrite := false
	command := &cobra.Command{
		Use:   "taint [clusters] NAME KEY[=VALUE]:EFFECT... | KEY[:EFFECT]-...",
		Short: "Change the taints of a cluster",
		Long: `Change the taints of a cluster. KEY=VALUE:EFFECT and KEY:EFFECT add a taint; KEY:EFFECT- takes one away, and KEY- all of that key.

NoSchedule keeps workloads from coming that do not tolerate it. NoExecute makes those leave as well that are there, where the
controllers run with --feature-gates=Failover=true and --enable-no-execute-taint-eviction. PreferNoSchedule has no effect.`,
		Example: `  seatrial taint member1 maintenance=tonight:NoSchedule

  # Two at once: one goes, one gets another value
  seatrial taint member1 maintenance- tier=gold:NoExecute --overwrite`,
		RunE: func(command *cobra.Command, args []string) error {
			args = withoutKind(args)
			if len(args) < 2 {
				return errors.New("give the NAME of a cluster and at least one taint, such as maintenance=tonight:NoSchedule or maintenance-")
			}
			if err := nameOfCluster(command, args[:1]); err != nil {
				return err
			}
			edit, err := parseTaintEdit(args[1:])
			if err != nil {
				return err
			}
			edit.overwrite = overwrite
			plane, err := c.plane()
			if err != nil {
				return err
			}
			changed, err := drain.Taint(command.Context(), plane, args[0], c.dryRun, edit.apply)
			if err != nil {
				return err
			}
			if !changed {
				return c.tell(command, args[0], "has these taints already")
			}
			return c.tell(command, args[0], edit.done())
		},
	}
	c.addTo(command)
	complete := command.ValidArgsFunction
	command.ValidArgsFunction = func(command *cobra.Command, given []string, typed string) ([]string, cobra.ShellCompDirective) {
		return complete(command, withoutKind(given), typed)
	}
	command.Flags().BoolVar(&overwrite, "overwrite", false, "Replace the value of a taint that has the same key and effect")
	return command
}

// withoutKind leaves out the word clusters before the name of one.
func withoutKind(args []string) []string {
	if len(args) > 0 && (args[0] == "clusters" || args[0] == "cluster") {
		return args[1:]
	}
	return args
}

// taintEdit is what arguments ask of the taints of a cluster.
type taintEdit struct {
	added []corev1.Taint
	// removed have no effect where all of a key go.
	removed   []corev1.Taint
	overwrite bool
}

func parseTaintEdit(arguments []string) (taintEdit, error) {
	var edit taintEdit
	for _, argument := range arguments {
		text, removes := strings.CutSuffix(argument, "-")
		taint, err := parseTaint(text, removes)
		if err != nil {
			return edit, fmt.Errorf("taint %q: %w", argument, err)
		}
		if slices.ContainsFunc(slices.Concat(edit.added, edit.removed), func(other corev1.Taint) bool { return overlap(other, taint) }) {
			return edit, fmt.Errorf("taint %q: its key and effect are named twice", argument)
		}
		if removes {
			edit.removed = append(edit.removed, taint)
		} else {
			edit.added = append(edit.added, taint)
		}
	}
	return edit, nil
}

// overlap tells whether two taints, one of which may stand for all effects of a key, mean the same one.
func overlap(a, b corev1.Taint) bool {
	return a.Key == b.Key && (a.Effect == b.Effect || a.Effect == "" || b.Effect == "")
}

func parseTaint(text string, removes bool) (corev1.Taint, error) {
	subject, effect, hasEffect := strings.Cut(text, ":")
	key, value, hasValue := strings.Cut(subject, "=")
	taint := corev1.Taint{Key: key, Value: value, Effect: corev1.TaintEffect(effect)}
	if errs := validation.IsQualifiedName(key); len(errs) > 0 {
		return taint, fmt.Errorf("KEY %q: %s", key, errs[0])
	}
	if errs := validation.IsValidLabelValue(value); len(errs) > 0 {
		return taint, fmt.Errorf("VALUE %q: %s", value, errs[0])
	}
	switch taint.Effect {
	case corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute:
	case "":
		if !removes || hasEffect {
			return taint, errors.New("the EFFECT is missing: write KEY=VALUE:EFFECT, with NoSchedule, PreferNoSchedule or NoExecute")
		}
	default:
		return taint, fmt.Errorf("EFFECT %q: use NoSchedule, PreferNoSchedule or NoExecute", effect)
	}
	if removes && hasValue {
		return taint, errors.New("a taint is taken away by KEY- or KEY:EFFECT-, without a value")
	}
	return taint, nil
}

// apply refuses what would change a taint without being told to, and what takes away a taint that is not there.
func (e *taintEdit) apply(taints []corev1.Taint) ([]corev1.Taint, error) {
	for _, gone := range e.removed {
		left := slices.DeleteFunc(slices.Clone(taints), func(t corev1.Taint) bool { return overlap(t, gone) })
		if len(left) == len(taints) {
			return nil, fmt.Errorf("there is no taint %s", gone.ToString())
		}
		taints = left
	}
	for _, wanted := range e.added {
		at := slices.IndexFunc(taints, func(t corev1.Taint) bool { return t.MatchTaint(&wanted) })
		switch {
		case at < 0:
			taints = append(taints, wanted)
		case taints[at].Value == wanted.Value:
		case !e.overwrite:
			return nil, fmt.Errorf("it has the taint %s; --overwrite replaces the value", taints[at].ToString())
		default:
			taints[at] = wanted
		}
	}
	return taints, nil
}

func (e *taintEdit) done() string {
	switch {
	case len(e.added) == 0:
		return "untainted"
	case len(e.removed) == 0:
		return "tainted"
	}
	return "modified"
}
