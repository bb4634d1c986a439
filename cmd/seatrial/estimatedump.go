package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
)

// askDumps estimates on clusters that were written to files.
func askDumps(path string, wanted []string, workloads []workloadDemand) ([]clusterAnswers, error) {
	files, err := dumpFiles(path)
	if err != nil {
		return nil, err
	}
	nameOf := func(file string) string { return strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)) }
	var names []string
	for _, file := range files {
		names = append(names, nameOf(file))
	}
	if wanted, err = chosen(names, wanted); err != nil {
		return nil, err
	}
	var answers []clusterAnswers
	for _, file := range files {
		if !slices.Contains(wanted, nameOf(file)) {
			continue
		}
		state, err := readDump(file)
		if err != nil {
			answers = append(answers, clusterAnswers{name: nameOf(file), err: err})
			continue
		}
		answers = append(answers, answer(nameOf(file), state, workloads))
	}
	return answers, nil
}

// dumpFiles are the path itself, or the files of a folder in the order of their names.
func dumpFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("--cluster-dump: %w", err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("--cluster-dump: %w", err)
	}
	var files []string
	for _, entry := range entries {
		if extension := filepath.Ext(entry.Name()); slices.Contains([]string{".yaml", ".yml", ".json"}, extension) && !entry.IsDir() {
			files = append(files, filepath.Join(path, entry.Name()))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("--cluster-dump: there is no .yaml, .yml or .json file in %s", path)
	}
	return files, nil
}

// readDump reads what `kubectl get nodes,pods -A -o yaml` prints. Kinds that do not matter may be among it.
func readDump(path string) (*clusterState, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening a cluster dump: %w", err)
	}
	defer file.Close()
	state := newClusterState()
	var pods []runtime.Object
	err = eachObject(file, func(object *unstructured.Unstructured) error {
		typed, err := scheme.Scheme.New(object.GroupVersionKind())
		if err != nil {
			return nil
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, typed); err != nil {
			return fmt.Errorf("%s %s/%s: %w", object.GetKind(), object.GetNamespace(), object.GetName(), err)
		}
		if _, late := typed.(*corev1.Pod); late {
			pods = append(pods, typed)
			return nil
		}
		return state.add(typed)
	})
	if err != nil {
		return nil, fmt.Errorf("reading cluster dump %s: %w", path, err)
	}
	if state.nodes == 0 {
		return nil, fmt.Errorf("reading cluster dump %s: there is no Node in it; kubectl get nodes,pods -A -o yaml makes one", path)
	}
	for _, pod := range pods {
		if err := state.add(pod); err != nil {
			return nil, fmt.Errorf("reading cluster dump %s: %w", path, err)
		}
	}
	return state, nil
}
