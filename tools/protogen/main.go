// Command protogen writes the Go code of .proto files: messages with protoc-gen-go, services with protoc-gen-go-grpc. It
// compiles the files itself, so that nothing but Go is needed.
//
//	protogen ROOT PLUGIN[,OPTION...] FILE...
//
// ROOT is the folder that imports are relative to, and where each output goes beside its source; FILEs are relative to it. A
// PLUGIN is a command that speaks the protocol of protoc's plugins, with its arguments separated by spaces.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: protogen ROOT PLUGIN[,OPTION...] FILE...")
		os.Exit(2)
	}
	if err := generate(context.Background(), os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, "protogen:", err)
		os.Exit(1)
	}
}

func generate(ctx context.Context, root, plugin string, files []string) error {
	compiled, err := compile(ctx, root, files)
	if err != nil {
		return err
	}
	command, options, _ := strings.Cut(plugin, ",")
	response, err := ask(ctx, strings.Fields(command), &pluginpb.CodeGeneratorRequest{
		FileToGenerate: files, Parameter: &options, ProtoFile: compiled,
	})
	if err != nil {
		return err
	}
	for _, file := range response.GetFile() {
		path := filepath.Join(root, filepath.FromSlash(file.GetName()))
		if err := os.WriteFile(path, []byte(file.GetContent()), 0o644); err != nil {
			return fmt.Errorf("writing generated code: %w", err)
		}
	}
	return nil
}

// compile returns the descriptors of the files and of all they import, imported ones first.
func compile(ctx context.Context, root string, files []string) ([]*descriptorpb.FileDescriptorProto, error) {
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{root}}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	found, err := compiler.Compile(ctx, files...)
	if err != nil {
		return nil, fmt.Errorf("compiling %s: %w", strings.Join(files, ", "), err)
	}
	var all []*descriptorpb.FileDescriptorProto
	seen := map[string]bool{}
	for _, file := range found {
		all = collect(all, seen, file)
	}
	return all, nil
}

func collect(all []*descriptorpb.FileDescriptorProto, seen map[string]bool, file protoreflect.FileDescriptor) []*descriptorpb.FileDescriptorProto {
	if seen[file.Path()] {
		return all
	}
	seen[file.Path()] = true
	for i := range file.Imports().Len() {
		all = collect(all, seen, file.Imports().Get(i).FileDescriptor)
	}
	if result, ok := file.(linker.Result); ok {
		return append(all, result.FileDescriptorProto())
	}
	return append(all, protodesc.ToFileDescriptorProto(file))
}

// ask runs a plugin.
func ask(ctx context.Context, command []string, request *pluginpb.CodeGeneratorRequest) (*pluginpb.CodeGeneratorResponse, error) {
	if len(command) == 0 {
		return nil, errors.New("no plugin given")
	}
	input, err := proto.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("encoding the request to %s: %w", command[0], err)
	}
	run := exec.CommandContext(ctx, command[0], command[1:]...)
	run.Stdin, run.Stderr = bytes.NewReader(input), os.Stderr
	output, err := run.Output()
	if err != nil {
		return nil, fmt.Errorf("running %s: %w", strings.Join(command, " "), err)
	}
	response := &pluginpb.CodeGeneratorResponse{}
	if err := proto.Unmarshal(output, response); err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", strings.Join(command, " "), err)
	}
	if response.Error != nil {
		return nil, fmt.Errorf("%s: %s", strings.Join(command, " "), response.GetError())
	}
	return response, nil
}
