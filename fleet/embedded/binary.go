package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/term"
)

const (
	// BinaryEnv names a cluster binary to use instead of the built one.
	BinaryEnv = "SEATRIAL_CLUSTER_BIN"

	binaryName   = "seatrial-cluster"
	moduleFolder = "fleet/embedded/clusterd"
	buildCommand = "go run ./fleet/embedded/buildcluster"

	quietReport    = 15 * time.Second
	terminalReport = 500 * time.Millisecond
)

// FindBinary looks for the cluster binary: $SEATRIAL_CLUSTER_BIN, beside the running executable, and bin/ of the source tree
// around the working directory. The error says how to build it.
func FindBinary() (string, error) {
	if path := os.Getenv(BinaryEnv); path != "" {
		if err := executable(path); err != nil {
			return "", fmt.Errorf("the cluster binary of $%s: %w", BinaryEnv, err)
		}
		return path, nil
	}
	var candidates []string
	if self, err := os.Executable(); err == nil {
		candidates = append(candidates, filepath.Join(filepath.Dir(self), binaryName))
	}
	if root, err := sourceRoot(); err == nil {
		candidates = append(candidates, builtBinary(root))
	}
	for _, path := range candidates {
		if executable(path) == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no cluster binary in %s: build it in Seatrial's source tree with `%s` (minutes the first time), or set $%s",
		strings.Join(candidates, " or "), buildCommand, BinaryEnv)
}

// EnsureBinary is FindBinary for tests: inside the source tree it builds the binary, or makes sure that it is up to date, unless
// $SEATRIAL_CLUSTER_BIN names one.
func EnsureBinary(ctx context.Context, progress io.Writer) (string, error) {
	root, err := sourceRoot()
	if os.Getenv(BinaryEnv) != "" || err != nil {
		return FindBinary()
	}
	return builtBinary(root), BuildBinary(ctx, builtBinary(root), progress)
}

// BuildBinary builds the cluster binary from the source tree around the working directory; without an output it becomes the tree's
// bin/seatrial-cluster. It tells progress what it does: the first build compiles all of Kubernetes. Go's build cache makes a build
// without changes take seconds and leave the file alone.
func BuildBinary(ctx context.Context, output string, progress io.Writer) error {
	root, err := sourceRoot()
	if err != nil {
		return fmt.Errorf("building the cluster binary: %w", err)
	}
	if output == "" {
		output = builtBinary(root)
	}
	if output, err = filepath.Abs(output); err != nil {
		return fmt.Errorf("building the cluster binary: %w", err)
	}
	major, rest, _ := strings.Cut(Kubernetes, ".")
	minor, _, _ := strings.Cut(rest, ".")
	const pkg = "-X k8s.io/component-base/version."
	cmd := exec.CommandContext(ctx, "go", "build", "-v", "-trimpath", "-ldflags", strings.Join([]string{
		"-s -w", pkg + "gitVersion=v" + Kubernetes, pkg + "gitMajor=" + major, pkg + "gitMinor=" + minor, pkg + "gitTreeState=clean",
	}, " "), "-o", output, ".")
	cmd.Dir = filepath.Join(root, moduleFolder)
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("building the cluster binary: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("building the cluster binary: %w", err)
	}
	complaints := reportBuild(stderr, progress)
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("building the cluster binary: %w\n%s", err, complaints)
	}
	return nil
}

// reportBuild counts the packages that `go build -v` names and returns its other lines once it ends.
func reportBuild(output io.Reader, progress io.Writer) string {
	var compiled atomic.Int64
	began := time.Now()
	every, format := quietReport, "building the cluster binary: %d packages compiled in %s\n"
	if f, ok := progress.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		every, format = terminalReport, "\rbuilding the cluster binary: %d packages compiled in %s "
	}
	done := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				fmt.Fprintf(progress, format, compiled.Load(), time.Since(began).Round(time.Second))
			case <-done:
				return
			}
		}
	}()
	var complaints strings.Builder
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		line := lines.Text()
		if line == "" || strings.ContainsAny(line, " \t") {
			fmt.Fprintln(&complaints, line)
			continue
		}
		compiled.Add(1)
	}
	close(done)
	<-stopped
	if n := compiled.Load(); n > 0 {
		fmt.Fprintf(progress, format, n, time.Since(began).Round(time.Second))
		fmt.Fprintln(progress)
	}
	return complaints.String()
}

// sourceRoot is the folder of the source tree around the working directory.
func sourceRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, moduleFolder, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("the working directory is not in Seatrial's source tree")
		}
		dir = parent
	}
}

func builtBinary(root string) string { return filepath.Join(root, "bin", binaryName) }

func executable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return fmt.Errorf("%s is not an executable file", path)
	}
	return nil
}
