package kind

import (
	"archive/tar"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/kind/pkg/apis/config/defaults"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"
)

const (
	// ImageEnv names the image of nodes.
	ImageEnv = "SEATRIAL_KIND_IMAGE"
	// ownImage is what `make kind-image` builds, in whichever version.
	ownImage = "seatrial-node"
)

// NodeImage is the image that nodes are made from: that of $SEATRIAL_KIND_IMAGE, else the one of `make kind-image` where that was
// built, else kind's own, which the engine gets from its registry.
func NodeImage(ctx context.Context) (string, error) {
	return docker{run: runDocker}.nodeImage(ctx, os.Getenv)
}

func (d docker) nodeImage(ctx context.Context, getenv func(string) string) (string, error) {
	if image := getenv(ImageEnv); image != "" {
		return image, nil
	}
	output, err := d.run(ctx, nil, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", ownImage)
	if err != nil {
		return "", fmt.Errorf("choosing the image of nodes: %w", err)
	}
	// The newest is the first.
	if images := strings.Fields(string(output)); len(images) > 0 {
		return images[0], nil
	}
	return defaults.Image, nil
}

// ensureImage has the engine get the image of nodes now: later, kind would do so for every cluster.
func (f *Fleet) ensureImage(ctx context.Context) error {
	if f.docker.do(ctx, "image", "inspect", f.image) == nil {
		return nil
	}
	if err := f.docker.do(ctx, "pull", "--quiet", f.image); err != nil {
		return fmt.Errorf("getting the image of nodes %s: %w; where no registry answers, build one by `make kind-image`", f.image, err)
	}
	return nil
}

// BuildImage compiles the command of a package (see Compile), and makes an image of it (see MakeImage).
func BuildImage(ctx context.Context, image, pkg string, arguments ...string) error {
	folder, err := os.MkdirTemp("", "seatrial-program-")
	if err != nil {
		return fmt.Errorf("building the image %s: %w", image, err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	program, err := Compile(ctx, pkg, folder)
	if err != nil {
		return fmt.Errorf("building the image %s: %w", image, err)
	}
	return MakeImage(ctx, image, program, arguments...)
}

// Compile makes a static program in a folder from the command of a package, as `go build` names it from the working directory. It
// returns the program's path.
func Compile(ctx context.Context, pkg, folder string) (string, error) {
	program := filepath.Join(folder, path.Base(pkg))
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("compiling %s: %w\n%s", pkg, err, output)
	}
	return program, nil
}

// MakeImage makes an image from scratch that holds a static program, and nothing else, and runs it: with the arguments, unless the
// container has others.
func MakeImage(ctx context.Context, image, program string, arguments ...string) error {
	if err := checkStatic(program); err != nil {
		return fmt.Errorf("making the image %s: %w", image, err)
	}
	entry, err := json.Marshal([]string{"/" + filepath.Base(program)})
	if err != nil {
		return fmt.Errorf("making the image %s: %w", image, err)
	}
	changes := []string{"--change", "ENTRYPOINT " + string(entry)}
	if len(arguments) > 0 {
		standard, err := json.Marshal(arguments)
		if err != nil {
			return fmt.Errorf("making the image %s: %w", image, err)
		}
		changes = append(changes, "--change", "CMD "+string(standard))
	}
	reader, writer := io.Pipe()
	// docker may end before it has read all.
	defer func() { _ = reader.Close() }()
	go func() { writer.CloseWithError(writeLayer(writer, program)) }()
	if _, err := runDocker(ctx, reader, slices.Concat([]string{"import"}, changes, []string{"-", image})...); err != nil {
		return fmt.Errorf("making the image %s: %w", image, err)
	}
	return nil
}

// checkStatic: in an image from scratch there is no linker to load a program with.
func checkStatic(program string) error {
	file, err := elf.Open(program)
	if err != nil {
		return fmt.Errorf("reading the program %s: %w", program, err)
	}
	defer func() { _ = file.Close() }()
	for _, part := range file.Progs {
		if part.Type == elf.PT_INTERP {
			return fmt.Errorf("the program %s is not static: build it with CGO_ENABLED=0", program)
		}
	}
	return nil
}

func writeLayer(to io.Writer, program string) error {
	file, err := os.Open(program)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	layer := tar.NewWriter(to)
	if err := layer.WriteHeader(&tar.Header{Name: filepath.Base(program), Mode: 0o755, Size: info.Size(), ModTime: info.ModTime()}); err != nil {
		return err
	}
	if _, err := io.Copy(layer, file); err != nil {
		return err
	}
	return layer.Close()
}

// Load puts an image of the engine on the nodes of clusters, or of all clusters if none is named. Pods that use it must not pull it.
func (f *Fleet) Load(ctx context.Context, image string, clusters ...string) error {
	records, err := f.chosen(clusters)
	if err != nil {
		return fmt.Errorf("loading the image %s: %w", image, err)
	}
	folder, err := os.MkdirTemp("", "seatrial-image-")
	if err != nil {
		return fmt.Errorf("loading the image %s: %w", image, err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	archive := filepath.Join(folder, "image.tar")
	if err := f.docker.do(ctx, "image", "save", "--output", archive, image); err != nil {
		return fmt.Errorf("loading the image %s: %w", image, err)
	}
	return forEach(records, func(r record) error {
		if err := f.loadArchive(ctx, r, archive); err != nil {
			return fmt.Errorf("loading the image %s into cluster %s: %w", image, r.Spec.Name, err)
		}
		return nil
	})
}

func (f *Fleet) chosen(clusters []string) ([]record, error) {
	if len(clusters) == 0 {
		return readRecords(f.root)
	}
	records := make([]record, len(clusters))
	for i, name := range clusters {
		var err error
		if records[i], err = f.record(name); err != nil {
			return nil, err
		}
	}
	return records, nil
}

func (f *Fleet) loadArchive(ctx context.Context, r record, archive string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	nodes, err := provider().ListInternalNodes(r.kindName())
	if err != nil {
		return err
	}
	if len(nodes) != 1 {
		return errors.New("it has no node")
	}
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	return nodeutils.LoadImageArchive(nodes[0], file)
}
