// Package golden reads recorded answers of the reference control plane: gzip-compressed files with one JSON case a line.
package golden

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// dirVariable names the environment variable that selects another set of vectors in the same format.
const dirVariable = "GOLDEN_DIR"

// maxLine bounds one case; the largest known one is under 100 KiB.
const maxLine = 16 << 20

// Case is one recorded input with its outcome. In and Out keep their raw JSON, since their shape differs by file.
type Case struct {
	ID      string   `json:"id"`
	Classes []string `json:"classes"`
	// In is the complete input.
	In json.RawMessage `json:"in"`
	// Out is the outcome for the input exactly as listed.
	Out json.RawMessage `json:"out"`
	// Outcomes is the set of outcomes seen when Unstable.
	Outcomes []json.RawMessage `json:"outcomes"`
	// Message is the reference's error text, informative unless a test says otherwise.
	Message string `json:"message"`
	// OrderVaries says that only the order of a list in Out changes between runs; Out is then sorted by name.
	OrderVaries bool `json:"orderVaries"`
	// Unstable says that the outcome itself depends on an unspecified order.
	Unstable bool `json:"unstable"`
}

// Dir is the folder the vectors are read from: $GOLDEN_DIR, or the project's own copy.
func Dir() string {
	if dir := os.Getenv(dirVariable); dir != "" {
		return dir
	}
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "testdata", "golden")
}

// Load reads every case of one file, named without its .jsonl.gz ending. A set without that file skips the test, unless
// it is the project's own set, where the file must exist. A file without cases fails the test.
func Load(t testing.TB, name string) []Case {
	t.Helper()
	path := filepath.Join(Dir(), name+".jsonl.gz")
	cases, err := read(path)
	if os.IsNotExist(err) && os.Getenv(dirVariable) != "" {
		t.Skipf("the set in %s has no %s", Dir(), filepath.Base(path))
	}
	if err != nil {
		t.Fatalf("reading golden vectors: %v", err)
	}
	if len(cases) == 0 {
		t.Fatalf("golden file %s holds no case", path)
	}
	return cases
}

func read(path string) ([]Case, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("unzipping %s: %w", path, err)
	}
	var cases []Case
	lines := bufio.NewScanner(unzipped)
	lines.Buffer(make([]byte, 1<<16), maxLine)
	for lines.Scan() {
		var c Case
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return nil, fmt.Errorf("%s, case %d: %w", path, len(cases)+1, err)
		}
		cases = append(cases, c)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return cases, nil
}

// Has reports whether a case carries a class.
func (c Case) Has(class string) bool {
	for _, have := range c.Classes {
		if have == class {
			return true
		}
	}
	return false
}
