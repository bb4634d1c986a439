package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/utils/clock"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/seatrial/seatrial/api/admission"
	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/interpreter"
	"github.com/seatrial/seatrial/interpreter/declarative"
	"github.com/seatrial/seatrial/interpreter/standard"
)

// interpretOptions are the flags of the command interpret.
type interpretOptions struct {
	file        string
	check, edit bool
	showDoc     bool
	operation   string

	desiredFile, observedFile, statusFile string
	desiredReplica                        int64

	output output
}

func newInterpretCommand() *cobra.Command {
	options := &interpretOptions{output: outputText}
	command := &cobra.Command{
		Use:   "interpret [-f FILE] (--check | --edit | --show-doc | --operation OPERATION --desired-file FILE)",
		Short: "Try, check and edit the Lua scripts of a ResourceInterpreterCustomization, or try what is built in",
		Long: `Run a script of a ResourceInterpreterCustomization on objects in files, in the sandbox and with the limits of a control plane,
and print what it answers. Without -f the interpreters answer that are built in. No control plane is needed or read.

--edit opens the customization of a file in $KUBE_EDITOR, $EDITOR or vi, as Lua. What a control plane would refuse comes back with
the reasons on top, and the file is written only once all is well; an edit that is given up stays in the file that is named then.

The operations, and the functions that answer them:

` + operationsHelp(),
		Example: `  # Do all scripts load, and define what they must?
  seatrial interpret -f customization.yaml --check

  # How many replicas does it want, and what does each need?
  seatrial interpret -f customization.yaml --operation InterpretReplica --desired-file workload.yaml

  # What does the script of each operation get and return? With a sample; for one operation with --operation
  seatrial interpret --show-doc

  # Write a customization, with that beside the scripts
  seatrial interpret -f customization.yaml --edit --show-doc

  # The sum of what clusters report: documents with clusterName and status
  seatrial interpret -f customization.yaml --operation AggregateStatus --desired-file workload.yaml --status-file status.yaml

  # What is built in for a kind, as data
  seatrial interpret --operation InterpretComponent --desired-file raycluster.yaml -o json | jq '.components[].name'`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return options.run(command) },
	}
	flags := command.Flags()
	flags.StringVarP(&options.file, "filename", "f", "", "File with ResourceInterpreterCustomizations, YAML or JSON; - reads standard input; empty means what is built in")
	flags.BoolVar(&options.check, "check", false, "Check the customizations and run nothing")
	flags.BoolVar(&options.edit, "edit", false, "Edit the customization of the file; one that is missing or empty is for a new customization")
	flags.BoolVar(&options.showDoc, "show-doc", false, "Explain the scripts of all operations, or of that of --operation; beside the scripts with --edit")
	flags.StringVar(&options.operation, "operation", "", "The operation to run: "+strings.Join(operationNames(), ", "))
	flags.StringVar(&options.desiredFile, "desired-file", "", "File with the object as its template has it")
	flags.StringVar(&options.observedFile, "observed-file", "", "File with the object as a member has it; operations on one object take it from either file")
	flags.StringVar(&options.statusFile, "status-file", "", "File with the statuses to sum up, one document for each cluster, as in status.aggregatedStatus of a binding")
	flags.Int64Var(&options.desiredReplica, "desired-replica", 0, "The number of replicas for ReviseReplica")
	options.output.addTo(command)
	command.MarkFlagsMutuallyExclusive("check", "edit")
	command.MarkFlagsMutuallyExclusive("operation", "edit")
	// It fails only for a flag that does not exist.
	_ = command.RegisterFlagCompletionFunc("operation", cobra.FixedCompletions(operationNames(), cobra.ShellCompDirectiveNoFileComp))
	return command
}

func operationNames() []string {
	var names []string
	for _, operation := range declarative.Operations() {
		names = append(names, string(operation.Name))
	}
	return names
}

func operationsHelp() string {
	var text strings.Builder
	for _, operation := range declarative.Operations() {
		fmt.Fprintf(&text, "  %-20s %s in %s\n", operation.Name, operation.Function, operation.Field)
	}
	return strings.TrimRight(text.String(), "\n")
}

func (o *interpretOptions) run(command *cobra.Command) error {
	switch {
	case o.edit:
		return o.runEdit(command)
	case o.showDoc:
		return o.runShowDoc(command)
	}
	customizations, err := o.customizations(command.InOrStdin())
	if err != nil {
		return err
	}
	if o.check {
		return o.runCheck(command, customizations)
	}
	if o.operation == "" {
		return errors.New("one of --check, --edit, --show-doc and --operation is required")
	}
	place, err := o.place()
	if err != nil {
		return err
	}
	asked, err := o.interpreter(command.ErrOrStderr(), customizations)
	if err != nil {
		return err
	}
	answer, err := o.ask(command.Context(), asked, declarative.Operations()[place].Name)
	if err != nil {
		return err
	}
	if o.output == outputJSON {
		return printJSON(command.OutOrStdout(), answer)
	}
	text, err := sigsyaml.Marshal(answer)
	if err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	_, err = command.OutOrStdout().Write(text)
	return err
}

// place is that of --operation among the operations.
func (o *interpretOptions) place() (int, error) {
	place := slices.IndexFunc(operationNames(), func(name string) bool { return strings.EqualFold(name, o.operation) })
	if place < 0 {
		return 0, fmt.Errorf("--operation: there is no operation %q; use one of %s", o.operation, strings.Join(operationNames(), ", "))
	}
	return place, nil
}

func (o *interpretOptions) runShowDoc(command *cobra.Command) error {
	explained := declarative.Operations()
	if o.operation != "" {
		place, err := o.place()
		if err != nil {
			return err
		}
		explained = explained[place : place+1]
	}
	for i, operation := range explained {
		if i > 0 {
			fmt.Fprintln(command.OutOrStdout())
		}
		_, err := fmt.Fprintf(command.OutOrStdout(), "%s: %s in spec.customizations.%s\n\n%s\n",
			operation.Name, operation.Function, operation.Field, operation.Document().Text())
		if err != nil {
			return err
		}
	}
	return nil
}

// interpreter are the customizations, or all that is built in when there is no file. What scripts print goes to a sink.
func (o *interpretOptions) interpreter(sink io.Writer, customizations []configv1alpha1.ResourceInterpreterCustomization) (interpreter.Interpreter, error) {
	if o.file == "" {
		return standard.New(clock.RealClock{}), nil
	}
	options := declarative.Defaults()
	options.Print = func(line string) { fmt.Fprintln(sink, line) }
	made := declarative.New(options)
	for i := range customizations {
		if faults := declarative.Validate(&customizations[i]); len(faults) > 0 {
			return nil, fmt.Errorf("-f %s: customization %s: %w", o.file, customizations[i].Name, faults.ToAggregate())
		}
		made.Put(declarative.Compile(&customizations[i]))
	}
	return made, nil
}

// customizations reads the file of -f.
func (o *interpretOptions) customizations(stdin io.Reader) ([]configv1alpha1.ResourceInterpreterCustomization, error) {
	if o.file == "" {
		if o.check {
			return nil, errors.New("--check needs -f: the file with the customizations")
		}
		return nil, nil
	}
	var all []configv1alpha1.ResourceInterpreterCustomization
	err := eachDocument(o.file, stdin, func(object *unstructured.Unstructured) error {
		gvk := configv1alpha1.GroupVersion.WithKind("ResourceInterpreterCustomization")
		if object.GroupVersionKind() != gvk {
			return fmt.Errorf("%s %s is no %s of %s", object.GetKind(), object.GetName(), gvk.Kind, gvk.GroupVersion())
		}
		var one configv1alpha1.ResourceInterpreterCustomization
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, &one, true); err != nil {
			return fmt.Errorf("customization %s: %w", object.GetName(), err)
		}
		all = append(all, one)
		return nil
	})
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("-f %s: there is no ResourceInterpreterCustomization in it", o.file)
	}
	return all, err
}

// checkReport is what --check prints of a customization.
type checkReport struct {
	Name       string   `json:"name"`
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Operations []string `json:"operations"`
	Faults     []string `json:"faults,omitempty"`
}

func (o *interpretOptions) runCheck(command *cobra.Command, customizations []configv1alpha1.ResourceInterpreterCustomization) error {
	var reports []checkReport
	bad := 0
	for i := range customizations {
		report := checkCustomization(&customizations[i], customizations[:i])
		if len(report.Faults) > 0 {
			bad++
		}
		reports = append(reports, report)
	}
	if err := printChecks(command.OutOrStdout(), o.output, reports); err != nil {
		return err
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d customizations have faults", bad, len(reports))
	}
	return nil
}

// checkCustomization tells what a control plane that has others would say of one.
func checkCustomization(one *configv1alpha1.ResourceInterpreterCustomization, others []configv1alpha1.ResourceInterpreterCustomization) checkReport {
	report := checkReport{Name: one.Name, APIVersion: one.Spec.Target.APIVersion, Kind: one.Spec.Target.Kind, Operations: []string{}}
	for _, operation := range declarative.Compile(one).Operations() {
		report.Operations = append(report.Operations, string(operation.Name))
	}
	faults := declarative.Validate(one)
	if len(faults) == 0 {
		// Scripts that load may still collide with those of others.
		faults = admission.ValidateInterpreterCustomization(one, others)
	}
	for _, fault := range faults {
		report.Faults = append(report.Faults, fault.Error())
	}
	if len(report.Operations) == 0 {
		report.Faults = append(report.Faults, "spec.customizations: has no script")
	}
	return report
}

func printChecks(out io.Writer, format output, reports []checkReport) error {
	if format == outputJSON {
		return printJSON(out, struct {
			Customizations []checkReport `json:"customizations"`
		}{reports})
	}
	for _, report := range reports {
		state := "ok"
		if len(report.Faults) > 0 {
			state = "faulty"
		}
		if _, err := fmt.Fprintf(out, "%s: %s for %s %s: %s\n", report.Name, state, report.APIVersion, report.Kind, strings.Join(report.Operations, ", ")); err != nil {
			return err
		}
		for _, fault := range report.Faults {
			if _, err := fmt.Fprintf(out, "  %s\n", fault); err != nil {
				return err
			}
		}
	}
	return nil
}

// interpretation is what --operation prints: the fields that answer the operation.
type interpretation struct {
	Operation    configv1alpha1.InterpreterOperation       `json:"operation"`
	Replicas     *int32                                    `json:"replicas,omitempty"`
	Requirements *workv1alpha2.ReplicaRequirements         `json:"requirements,omitempty"`
	Components   []workv1alpha2.Component                  `json:"components,omitempty"`
	Object       map[string]any                            `json:"object,omitempty"`
	Status       *runtime.RawExtension                     `json:"status,omitempty"`
	Healthy      *bool                                     `json:"healthy,omitempty"`
	Dependencies []configv1alpha1.DependentObjectReference `json:"dependencies,omitempty"`
}

func (o *interpretOptions) ask(ctx context.Context, asked interpreter.Interpreter, operation configv1alpha1.InterpreterOperation) (interpretation, error) {
	answer := interpretation{Operation: operation}
	object, err := o.object(operation)
	if err != nil {
		return answer, err
	}
	var changed *unstructured.Unstructured
	switch operation {
	case configv1alpha1.InterpreterOperationInterpretReplica:
		var replicas int32
		replicas, answer.Requirements, err = asked.Replicas(ctx, object)
		answer.Replicas = &replicas
	case configv1alpha1.InterpreterOperationInterpretComponent:
		answer.Components, err = asked.Components(ctx, object)
	case configv1alpha1.InterpreterOperationReviseReplica:
		changed, err = asked.ReviseReplica(ctx, object, o.desiredReplica)
	case configv1alpha1.InterpreterOperationRetain:
		var observed *unstructured.Unstructured
		if observed, err = readObject("--observed-file", o.observedFile); err == nil {
			changed, err = asked.Retain(ctx, object, observed)
		}
	case configv1alpha1.InterpreterOperationAggregateStatus:
		var items []workv1alpha2.AggregatedStatusItem
		if items, err = readItems(o.statusFile); err == nil {
			changed, err = asked.AggregateStatus(ctx, object, items)
		}
	case configv1alpha1.InterpreterOperationInterpretStatus:
		answer.Status, err = asked.ReflectStatus(ctx, object)
	case configv1alpha1.InterpreterOperationInterpretHealth:
		var healthy bool
		healthy, err = asked.Health(ctx, object)
		answer.Healthy = &healthy
	case configv1alpha1.InterpreterOperationInterpretDependency:
		answer.Dependencies, err = asked.Dependencies(ctx, object)
	}
	if changed != nil {
		answer.Object = changed.Object
	}
	return answer, err
}

// object is the one that the operation is about.
func (o *interpretOptions) object(operation configv1alpha1.InterpreterOperation) (*unstructured.Unstructured, error) {
	switch {
	case o.desiredFile != "":
		return readObject("--desired-file", o.desiredFile)
	case operation == configv1alpha1.InterpreterOperationRetain:
		return nil, errors.New("operation Retain needs --desired-file and --observed-file")
	case o.observedFile != "":
		return readObject("--observed-file", o.observedFile)
	}
	return nil, fmt.Errorf("%s needs an object: --desired-file or --observed-file", operation)
}

// readObject reads the only object of a file.
func readObject(flag, file string) (*unstructured.Unstructured, error) {
	if file == "" {
		return nil, fmt.Errorf("%s is required", flag)
	}
	opened, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	defer opened.Close()
	var found *unstructured.Unstructured
	err = eachObject(opened, func(object *unstructured.Unstructured) error {
		if found != nil {
			return errors.New("only one object is wanted")
		}
		found = object
		return nil
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s %s: %w", flag, file, err)
	case found == nil:
		return nil, fmt.Errorf("%s %s: there is no object in it", flag, file)
	}
	return found, nil
}

// readItems reads a status from each document of a file.
func readItems(file string) ([]workv1alpha2.AggregatedStatusItem, error) {
	if file == "" {
		return nil, errors.New("AggregateStatus needs --status-file")
	}
	opened, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("--status-file: %w", err)
	}
	defer opened.Close()
	items := []workv1alpha2.AggregatedStatusItem{}
	documents := yaml.NewYAMLOrJSONDecoder(bufio.NewReader(opened), 4096)
	for number := 1; ; number++ {
		var item workv1alpha2.AggregatedStatusItem
		err := documents.Decode(&item)
		switch {
		case errors.Is(err, io.EOF):
			return items, nil
		case err != nil:
			return nil, fmt.Errorf("--status-file %s: reading document %d: %w", file, number, err)
		case item.ClusterName == "":
			return nil, fmt.Errorf("--status-file %s: document %d: clusterName is missing", file, number)
		}
		items = append(items, item)
	}
}
