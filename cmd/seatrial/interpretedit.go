package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/interpreter/declarative"
)

const editHelp = `Edit the scripts below, each under the operation that it answers; an operation without a script is not answered.
Lines that begin with ` + remarkMark + ` are not kept. Save an empty file to cancel.
`

// customizationEdit is one customization that is being edited.
type customizationEdit struct {
	// path is the file that the customization is kept in, and content what it held; nil when there is none yet.
	path    string
	content []byte
	object  *unstructured.Unstructured
	// before is what is edited, as it reads back.
	before customizationText
	// draft is the file that the editor works on.
	draft string
}

// runEdit opens the customization of a file in an editor until it is good, or the user gives up, and writes it back.
func (o *interpretOptions) runEdit(command *cobra.Command) error {
	if o.file == "" || o.file == "-" {
		return errors.New("--edit needs -f: the file with the customization, or for a new one")
	}
	edit, err := openCustomization(o.file)
	if err != nil {
		return err
	}
	shown := remarks(editHelp) + edit.before.String(o.showDoc)
	if err := edit.begin(shown); err != nil {
		return err
	}
	for {
		saved, err := edit.launch(command, shown)
		if err != nil {
			return err
		}
		after, err := parseCustomizationText(saved)
		switch {
		case err == nil && strings.TrimSpace(saved) == "", err == nil && after.equal(edit.before):
			fmt.Fprintln(command.ErrOrStderr(), "Nothing was changed.")
			return os.Remove(edit.draft)
		case err == nil:
			err = edit.apply(after)
		}
		if err == nil {
			break
		}
		if shown == saved {
			return edit.kept(fmt.Errorf("nothing was mended: %w", err))
		}
		shown = remarks("This cannot be saved yet:\n"+err.Error()+"\n") + withoutComplaints(saved)
		if err := os.WriteFile(edit.draft, []byte(shown), 0o600); err != nil {
			return edit.kept(err)
		}
	}
	if err := edit.save(); err != nil {
		return edit.kept(err)
	}
	fmt.Fprintf(command.OutOrStdout(), "%s edited\n", edit.object.GetName())
	return os.Remove(edit.draft)
}

// withoutComplaints leaves out the remarks at the top, which tell what was wrong before.
func withoutComplaints(text string) string {
	for strings.HasPrefix(text, remarkMark) {
		_, text, _ = strings.Cut(text, "\n")
	}
	return text
}

// openCustomization reads the only customization of a file; one that is missing or empty is for a new one.
func openCustomization(path string) (*customizationEdit, error) {
	edit := &customizationEdit{path: path, object: &unstructured.Unstructured{Object: map[string]any{}}}
	edit.object.SetGroupVersionKind(configv1alpha1.GroupVersion.WithKind("ResourceInterpreterCustomization"))
	content, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("-f: %w", err)
	case len(bytes.TrimSpace(content)) == 0:
		edit.content = content
	default:
		edit.content = content
		one := &interpretOptions{file: path}
		if found, err := one.customizations(nil); err != nil {
			return nil, err
		} else if len(found) > 1 {
			return nil, fmt.Errorf("-f %s: there are %d customizations in it, and only one can be edited at a time", path, len(found))
		}
		if err := eachObject(bytes.NewReader(content), func(object *unstructured.Unstructured) error {
			edit.object = object
			return nil
		}); err != nil {
			return nil, fmt.Errorf("-f %s: %w", path, err)
		}
	}
	return edit, edit.read()
}

// read makes the text of the object, which must come back from an editor as it went there.
func (e *customizationEdit) read() error {
	field := func(path ...string) string {
		text, _, _ := unstructured.NestedString(e.object.Object, path...)
		return text
	}
	text := customizationText{
		name: e.object.GetName(), apiVersion: field("spec", "target", "apiVersion"), kind: field("spec", "target", "kind"), scripts: map[string]string{},
	}
	for _, operation := range declarative.Operations() {
		if script := strings.Trim(field("spec", "customizations", operation.Field, "luaScript"), "\n"); strings.TrimSpace(script) != "" {
			text.scripts[string(operation.Name)] = script + "\n"
		}
	}
	back, err := parseCustomizationText(text.String(false))
	if err != nil || !back.equal(text) {
		return fmt.Errorf("-f %s: a script has lines that begin with %s or %s, or end in a carriage return; change them in the file first", e.path, ruleMark, remarkMark)
	}
	e.before = text
	return nil
}

// begin makes the draft.
func (e *customizationEdit) begin(text string) error {
	draft, err := os.CreateTemp("", "seatrial-interpret-*.lua")
	if err != nil {
		return fmt.Errorf("making a file to edit: %w", err)
	}
	e.draft = draft.Name()
	_, err = draft.WriteString(text)
	if err := errors.Join(err, draft.Close()); err != nil {
		return fmt.Errorf("making a file to edit: %w", err)
	}
	return nil
}

// launch waits for the editor and answers what was saved. A shell makes out the arguments of the editor, as in "code --wait".
func (e *customizationEdit) launch(command *cobra.Command, shown string) (saved string, err error) {
	editor := cmp.Or(os.Getenv("KUBE_EDITOR"), os.Getenv("EDITOR"), "vi")
	process := exec.CommandContext(command.Context(), "sh", "-c", editor+` "$@"`, editor, e.draft)
	process.Stdin, process.Stdout, process.Stderr = command.InOrStdin(), command.OutOrStdout(), command.ErrOrStderr()
	failed := process.Run()
	content, err := os.ReadFile(e.draft)
	switch {
	case err != nil:
		return "", fmt.Errorf("reading what the editor %s saved: %w", editor, err)
	case failed != nil && string(content) == shown:
		return "", errors.Join(fmt.Errorf("the editor %s (see $KUBE_EDITOR and $EDITOR): %w", editor, failed), os.Remove(e.draft))
	case failed != nil:
		return "", e.kept(fmt.Errorf("the editor %s: %w", editor, failed))
	}
	return string(content), nil
}

// kept tells where the edit is that an error is about.
func (e *customizationEdit) kept(err error) error {
	return fmt.Errorf("%w\nThe edit is kept in %s", err, e.draft)
}

// apply makes the object what the text says, and fails for what a control plane would refuse. Scripts that were not touched stay
// as they are, to the byte.
func (e *customizationEdit) apply(after customizationText) error {
	changed := e.object.DeepCopy()
	changed.SetName(after.name)
	set := func(value string, path ...string) error {
		return unstructured.SetNestedField(changed.Object, value, path...)
	}
	err := errors.Join(set(after.apiVersion, "spec", "target", "apiVersion"), set(after.kind, "spec", "target", "kind"))
	for _, operation := range declarative.Operations() {
		script := after.scripts[string(operation.Name)]
		switch {
		case script == e.before.scripts[string(operation.Name)]:
		case script == "":
			unstructured.RemoveNestedField(changed.Object, "spec", "customizations", operation.Field)
		default:
			err = errors.Join(err, set(script, "spec", "customizations", operation.Field, "luaScript"))
		}
	}
	if err != nil {
		return err
	}
	if err := acceptable(changed); err != nil {
		return err
	}
	e.object = changed
	return nil
}

// acceptable checks an edited customization.
func acceptable(changed *unstructured.Unstructured) error {
	var one configv1alpha1.ResourceInterpreterCustomization
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(changed.Object, &one, true); err != nil {
		return err
	}
	var faults []string
	for _, fault := range validation.NameIsDNSSubdomain(one.Name, false) {
		faults = append(faults, nameMark+" "+fault)
	}
	if one.Spec.Target.APIVersion == "" {
		faults = append(faults, apiVersionMark+" is missing")
	}
	if one.Spec.Target.Kind == "" {
		faults = append(faults, kindMark+" is missing")
	}
	if faults = append(faults, checkCustomization(&one, nil).Faults...); len(faults) > 0 {
		return errors.New(strings.Join(faults, "\n"))
	}
	return nil
}

// save writes the object to its file, in the format that this has, unless somebody else has changed it meanwhile.
func (e *customizationEdit) save() error {
	now, err := os.ReadFile(e.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) || !bytes.Equal(now, e.content) {
		return errors.Join(fmt.Errorf("-f %s: it has been changed by somebody else since", e.path), err)
	}
	var text []byte
	if yaml.IsJSONBuffer(e.content) || e.content == nil && filepath.Ext(e.path) == ".json" {
		text, err = json.MarshalIndent(e.object.Object, "", "  ")
		text = append(text, '\n')
	} else {
		text, err = sigsyaml.Marshal(e.object.Object)
	}
	if err != nil {
		return fmt.Errorf("encoding customization %s: %w", e.object.GetName(), err)
	}
	return replaceFile(e.path, text)
}

// replaceFile changes a file as a whole or not at all, behind links too.
func replaceFile(path string, content []byte) error {
	mode := os.FileMode(0o644)
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	if there, err := os.Stat(path); err == nil {
		mode = there.Mode().Perm()
	}
	next, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	_, err = next.Write(content)
	if err = errors.Join(err, next.Chmod(mode), next.Close()); err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing %s: %w", path, err), os.Remove(next.Name()))
	}
	return nil
}
