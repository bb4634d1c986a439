package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sigsyaml "sigs.k8s.io/yaml"
)

// desk is where a test edits a customization: the editor saves one draft after the other, and the last one again and again.
type desk struct {
	*testing.T
	folder, file, drafts string
}

// sitDown puts a customization on a desk, or none. Each draft is a sed script that is run on what the editor is shown.
func sitDown(t *testing.T, name, content string, drafts ...string) *desk {
	t.Helper()
	folder := t.TempDir()
	d := &desk{T: t, folder: folder, file: filepath.Join(folder, name), drafts: filepath.Join(folder, "drafts")}
	if err := os.Mkdir(d.drafts, 0o700); err != nil {
		t.Fatal(err)
	}
	for i, draft := range drafts {
		d.write(fmt.Sprint("edit", i), draft)
	}
	if content != "" {
		d.write(name, content)
	}
	d.write("editor", `cd "$(dirname "$0")"
n=$(cat turn 2>/dev/null || echo 0)
cp "$2" "shown$n"
[ -f "meanwhile" ] && sh meanwhile
[ -f "edit$n" ] && sed -i.old -f "edit$n" "$2" && rm -f "$2.old"
echo $((n + 1)) > turn
exit "$(cat code 2>/dev/null || echo 0)"
`)
	t.Setenv("TMPDIR", d.drafts)
	t.Setenv("KUBE_EDITOR", "")
	t.Setenv("EDITOR", "sh "+filepath.Join(folder, "editor")+" --wait")
	return d
}

func (d *desk) write(name, content string) {
	d.Helper()
	if err := os.WriteFile(filepath.Join(d.folder, name), []byte(content), 0o600); err != nil {
		d.Fatal(err)
	}
}

// read answers nothing for a file that is not there.
func (d *desk) read(name string) string {
	d.Helper()
	content, err := os.ReadFile(filepath.Join(d.folder, name))
	if err != nil && !os.IsNotExist(err) {
		d.Fatal(err)
	}
	return string(content)
}

func (d *desk) edit(flags ...string) (stdout, stderr string, err error) {
	d.Helper()
	return interpret(d.T, nil, append([]string{"--edit", "-f", d.file}, flags...)...)
}

// left are the drafts that nobody has put away.
func (d *desk) left() []string {
	d.Helper()
	left, err := filepath.Glob(filepath.Join(d.drafts, "*"))
	if err != nil {
		d.Fatal(err)
	}
	return left
}

func (d *desk) parsed() map[string]any {
	d.Helper()
	var object map[string]any
	if err := sigsyaml.UnmarshalStrict([]byte(d.read(filepath.Base(d.file))), &object); err != nil {
		d.Fatal(err)
	}
	return object
}

func scriptOf(object map[string]any, field string) any {
	customizations := object["spec"].(map[string]any)["customizations"].(map[string]any)
	if rule, ok := customizations[field].(map[string]any); ok {
		return rule["luaScript"]
	}
	return nil
}

const moreCrew = `s/return desiredObj.spec.crew,/return desiredObj.spec.crew + 1,/`

func TestEditChangesWhatWasEdited(t *testing.T) {
	d := sitDown(t, "rafts.yaml", strings.Replace(rafts, "{name: rafts}", "{name: rafts, labels: {tier: sea}}", 1), moreCrew+"\n"+`/function ReviseReplica/,/^end/d`)
	var before map[string]any
	if err := sigsyaml.Unmarshal([]byte(d.read("rafts.yaml")), &before); err != nil {
		t.Fatal(err)
	}
	out, _, err := d.edit()
	if err != nil || out != "rafts edited\n" {
		t.Fatalf("%q, error %v", out, err)
	}
	after := d.parsed()
	if got := fmt.Sprint(scriptOf(after, "replicaResource")); !strings.Contains(got, "spec.crew + 1") || !strings.HasSuffix(got, "end\n") {
		t.Errorf("replicaResource is %q", got)
	}
	if got := scriptOf(after, "replicaRevision"); got != nil {
		t.Errorf("replicaRevision is still %q", got)
	}
	for _, field := range []string{"retention", "statusAggregation", "statusReflection", "healthInterpretation", "dependencyInterpretation", "componentResource"} {
		if was, is := scriptOf(before, field), scriptOf(after, field); was == nil || was != is {
			t.Errorf("%s was %q and is %q", field, was, is)
		}
	}
	if labels := fmt.Sprint(after["metadata"]); labels != "map[labels:map[tier:sea] name:rafts]" {
		t.Errorf("metadata is %s", labels)
	}
	if !strings.Contains(d.read("rafts.yaml"), "luaScript: |\n") {
		t.Errorf("scripts do not read as text:\n%s", d.read("rafts.yaml"))
	}
	if left := d.left(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestEditRefusesBadContent shows what is wrong above what was written, until it is mended.
func TestEditRefusesBadContent(t *testing.T) {
	for _, test := range []struct{ name, spoil, mend, says string }{
		{"syntax", `s/return desiredObj.spec.crew,/return desiredObj.spec.crew +,/`, `s/crew +,/crew + 1,/`, `rafts/replicaResource:3: syntax error near ","`},
		{"function", `s/function GetReplicas(/function Replicas(/`, `s/function Replicas(/function GetReplicas(/;` + moreCrew, "must define the function GetReplicas"},
		{"name", `s/^---@name: rafts/---@name: My Rafts/`, `s/^---@name: .*/---@name: boats/`, "a lowercase RFC 1123 subdomain"},
		{"kind", `s/^---@kind: .*/---@kind:/`, `s/^---@kind:/---@kind: Boat/`, "---@kind: is missing"},
		{"version", `s/^---@apiVersion: .*/---@apiVersion:/`, `s/^---@apiVersion:/---@apiVersion: example.com\/v2/`, "---@apiVersion: is missing"},
		{"operation", `s/^---@rule: Retain/---@rule: Keep/`, `s/^---@rule: Keep/---@rule: retain/;` + moreCrew, `there is no operation "Keep"; use one of Retain,`},
		{"operation twice", `s/^---@rule: Retain/---@rule: ReviseReplica/`, `0,/^---@rule: ReviseReplica/s//---@rule: Retain/;` + moreCrew, "ReviseReplica stands here a second time"},
		{"scripts nowhere", `s/^---@rule: Retain/print(1)/`, `s/^print(1)/---@rule: Retain/;` + moreCrew, "stands before the first line with ---@rule:"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := sitDown(t, "rafts.yaml", rafts, test.spoil, test.mend)
			if out, _, err := d.edit(); err != nil || !strings.HasSuffix(out, " edited\n") {
				t.Fatalf("%q, error %v", out, err)
			}
			shown := d.read("shown1")
			if !strings.HasPrefix(shown, "--| This cannot be saved yet:\n--| ") || !strings.Contains(shown, test.says) {
				t.Errorf("the second look does not tell of %q:\n%s", test.says, shown)
			}
			if strings.Contains(d.read("rafts.yaml"), "--|") {
				t.Errorf("remarks are kept:\n%s", d.read("rafts.yaml"))
			}
			if out, _, err := interpret(t, nil, "-f", d.file, "--check"); err != nil {
				t.Errorf("%s, error %v", out, err)
			}
			if left := d.left(); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestEditThatIsGivenUpIsKept leaves the file as it was, and the work where the message says.
func TestEditThatIsGivenUpIsKept(t *testing.T) {
	for _, test := range []struct{ name, edit, meanwhile, code, says string }{
		{"not mended", `s/return desiredObj.spec.crew,/return (/`, "", "0", "nothing was mended: spec.customizations.replicaResource.luaScript"},
		{"changed by somebody else", moreCrew, "echo '# mine' >> rafts.yaml", "0", "changed by somebody else"},
		{"removed by somebody else", moreCrew, "rm rafts.yaml", "0", "changed by somebody else"},
		{"editor that fails", moreCrew, "", "3", "exit status 3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := sitDown(t, "rafts.yaml", rafts, test.edit)
			d.write("code", test.code)
			want := rafts
			if test.meanwhile != "" {
				d.write("meanwhile", test.meanwhile)
				want += "# mine\n"
			}
			if strings.HasPrefix(test.meanwhile, "rm") {
				want = ""
			}
			_, _, err := d.edit()
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("error %v, want one that tells of %q", err, test.says)
			}
			if got := d.read("rafts.yaml"); got != want {
				t.Errorf("the file has become\n%s", got)
			}
			left := d.left()
			if len(left) != 1 || !strings.Contains(err.Error(), "The edit is kept in "+left[0]) {
				t.Fatalf("left behind are %v, the error is %v", left, err)
			}
			if kept := d.read("drafts/" + filepath.Base(left[0])); !strings.Contains(kept, "return (") && !strings.Contains(kept, "spec.crew + 1") {
				t.Errorf("what is kept is not what was written:\n%s", kept)
			}
		})
	}
}

// TestEditWithoutChange leaves the file as it is, to the byte.
func TestEditWithoutChange(t *testing.T) {
	content := "# as I like it\n" + rafts
	for name, edit := range map[string]string{"as it was": "", "emptied": "d", "other spaces": "/^---@rule/G"} {
		d := sitDown(t, "rafts.yaml", content, edit)
		out, complaints, err := d.edit()
		if err != nil || out != "" || complaints != "Nothing was changed.\n" || d.read("rafts.yaml") != content || len(d.left()) > 0 {
			t.Errorf("%s: %q, %q, error %v, left %v, the file is\n%s", name, out, complaints, err, d.left(), d.read("rafts.yaml"))
		}
	}
	d := sitDown(t, "rafts.yaml", content)
	d.write("code", "1")
	if _, _, err := d.edit(); err == nil || !strings.Contains(err.Error(), "exit status 1") || d.read("rafts.yaml") != content || len(d.left()) > 0 {
		t.Errorf("an editor that fails: error %v, left %v", err, d.left())
	}
}

// TestEditMakesNewOnes, in the format that the file is named for, and keeps the format of one that is there.
func TestEditMakesNewOnes(t *testing.T) {
	draft := `s/^---@name:/---@name: boats/
s/^---@apiVersion:/---@apiVersion: example.com\/v1/
s/^---@kind:/---@kind: Boat/
/^---@rule: InterpretHealth/a\
-- all boats float\
function InterpretHealth(observedObj) return true end`
	for _, test := range []struct{ name, content, begins string }{
		{"boats.yaml", "", "apiVersion:"},
		{"empty.yaml", "\n", "apiVersion:"},
		{"boats.json", "", "{\n"},
		{"other", `{"apiVersion": "config.karmada.io/v1alpha1", "kind": "ResourceInterpreterCustomization", "metadata": {}, "spec": {"target": {"apiVersion": "", "kind": ""}, "customizations": {}}}`, "{\n"},
	} {
		d := sitDown(t, test.name, test.content, draft)
		if out, _, err := d.edit("--show-doc"); err != nil || out != "boats edited\n" {
			t.Fatalf("%s: %q, error %v", test.name, out, err)
		}
		got := d.parsed()
		if script := scriptOf(got, "healthInterpretation"); script != "-- all boats float\nfunction InterpretHealth(observedObj) return true end\n" {
			t.Errorf("%s: the script is %q", test.name, script)
		}
		if content := d.read(test.name); !strings.HasPrefix(content, test.begins) {
			t.Errorf("%s: the file is\n%s", test.name, content)
		}
		if shown := d.read("shown0"); !strings.Contains(shown, "---@rule: Retain\n--| What stays") || !strings.Contains(shown, "--|   function Retain(desiredObj, observedObj)\n") {
			t.Errorf("%s: --show-doc shows\n%s", test.name, shown)
		}
	}
}

// TestEditBehindLinks changes the file that a link leads to, and keeps who may read it.
func TestEditBehindLinks(t *testing.T) {
	d := sitDown(t, "rafts.yaml", rafts, moreCrew)
	link := filepath.Join(d.folder, "link.yaml")
	if err := os.Symlink(d.file, link); err != nil {
		t.Fatal(err)
	}
	if _, _, err := interpret(t, nil, "--edit", "-f", link); err != nil {
		t.Fatal(err)
	}
	about, err := os.Lstat(link)
	if err != nil || about.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, error %v", about.Mode(), err)
	}
	if about, err = os.Stat(d.file); err != nil || about.Mode().Perm() != 0o600 || !strings.Contains(d.read("rafts.yaml"), "crew + 1") {
		t.Errorf("the file is %v, error %v", about.Mode(), err)
	}
}

func TestEditFaults(t *testing.T) {
	for _, test := range []struct {
		name, content string
		flags         []string
		want          string
	}{
		{"no file", "", []string{"--edit"}, "--edit needs -f"},
		{"standard input", "", []string{"--edit", "-f", "-"}, "--edit needs -f"},
		{"check", rafts, []string{"--edit", "--check", "-f", "FILE"}, "none of the others can be"},
		{"operation", rafts, []string{"--edit", "--operation", "Retain", "-f", "FILE"}, "none of the others can be"},
		{"two", rafts + "---" + strings.Replace(rafts, "name: rafts", "name: others", 1), []string{"--edit", "-f", "FILE"}, "there are 2 customizations in it"},
		{"something else", desiredRaft, []string{"--edit", "-f", "FILE"}, "Raft one is no ResourceInterpreterCustomization"},
		{"marks in a script", strings.Replace(rafts, `print("crew"`, "--| of mine\n          print(\"crew\"", 1), []string{"--edit", "-f", "FILE"}, ""},
		{"marks at the start of a line", strings.Replace(rafts, `          print("crew"`, "        --| of mine\n          print(\"crew\"", 1), []string{"--edit", "-f", "FILE"}, "a script has lines that begin with"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := sitDown(t, "rafts.yaml", test.content)
			for i := range test.flags {
				test.flags[i] = strings.Replace(test.flags[i], "FILE", d.file, 1)
			}
			_, _, err := interpret(t, nil, test.flags...)
			if (err != nil) != (test.want != "") || err != nil && !strings.Contains(err.Error(), test.want) || len(d.left()) > 0 {
				t.Errorf("error %v, want %q; left %v", err, test.want, d.left())
			}
		})
	}
}

func TestShowDoc(t *testing.T) {
	out, _, err := interpret(t, nil, "--show-doc")
	if err != nil {
		t.Fatal(err)
	}
	for _, function := range []string{"Retain(desiredObj, observedObj)", "GetReplicas(desiredObj)", "GetComponents(desiredObj)", "ReviseReplica(desiredObj, desiredReplica)",
		"ReflectStatus(observedObj)", "AggregateStatus(desiredObj, statusItems)", "InterpretHealth(observedObj)", "GetDependencies(desiredObj)"} {
		if !strings.Contains(out, "\n  function "+function+"\n") {
			t.Errorf("%s is not explained in\n%s", function, out)
		}
	}
	out, _, err = interpret(t, nil, "--show-doc", "--operation", "retain")
	if err != nil || !strings.HasPrefix(out, "Retain: Retain in spec.customizations.retention\n") || strings.Contains(out, "GetReplicas") {
		t.Errorf("%q, error %v", out, err)
	}
	if _, _, err := interpret(t, nil, "--show-doc", "--operation", "Sail"); err == nil || !strings.Contains(err.Error(), "there is no operation") {
		t.Errorf("error %v", err)
	}
}

// FuzzCustomizationText: what can be read reads the same when it is shown again.
func FuzzCustomizationText(f *testing.F) {
	f.Add("---@name: a\n---@kind: B\n---@rule: retain\n\n function Retain() end\n--| gone\n---@rule: InterpretHealth\r\nx\r\n")
	f.Add("---@rule: Sail")
	f.Add("---@rule:\n")
	f.Add("---@name: a\n---@rule: Retain\n---@name: b")
	f.Fuzz(func(t *testing.T, text string) {
		read, err := parseCustomizationText(text)
		if err != nil {
			return
		}
		for _, documents := range []bool{false, true} {
			again, err := parseCustomizationText(read.String(documents))
			if err != nil || !again.equal(read) {
				t.Errorf("%q reads as %+v and then as %+v, error %v", text, read, again, err)
			}
		}
	})
}
