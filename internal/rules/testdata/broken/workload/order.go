package workload

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

type api struct{}

func (api) Create(context.Context, string) error { return nil }
func (api) Eventf(string, ...any)                {}

type index struct{}

func (index) Update(string) {}

func writeAll(ctx context.Context, client api, objects map[string]string, seen index) {
	for name, object := range objects {
		_ = client.Create(ctx, object) // want "order"
		client.Eventf("made %s", name) // want "order"
		seen.Update(name)
	}
	for _, name := range slices.Sorted(maps.Keys(objects)) {
		_ = client.Create(ctx, name)
	}
	for name := range maps.Keys(objects) {
		_ = client.Create(ctx, name) // want "order"
	}
}

func listAll(objects map[string]string) (listed, sorted []string, text string) {
	var out strings.Builder
	groups := map[int][]string{}
	for name := range objects {
		listed = append(listed, name) // want "order"
		sorted = append(sorted, name)
		fmt.Fprintln(&out, name) // want "order"
		inner := []string{}
		inner = append(inner, name)
		groups[len(name)] = append(groups[len(name)], inner...)
	}
	slices.Sort(sorted)
	return listed, sorted, out.String()
}

// anyOf lists the names in no order.
func anyOf(ctx context.Context, client api, objects map[string]string) (listed []string) {
	for name, object := range objects {
		listed = append(listed, name)
		_ = client.Create(ctx, object) // want "order"
	}
	return listed
}
