package apiserver

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/seatrial/seatrial/apiserver/storage"
	"github.com/seatrial/seatrial/search"
)

func TestEitherPartOfSearchCanBeLeftOut(t *testing.T) {
	for given, want := range map[string]string{
		"": "proxying proxying/proxy search", "--disable-search": "proxying proxying/proxy", "--disable-proxy": "search", "--disable-search --disable-proxy": "",
	} {
		options := NewSearchOptions()
		flags := pflag.NewFlagSet("search", pflag.ContinueOnError)
		options.AddFlags(flags)
		if err := flags.Parse(strings.Fields(given)); err != nil {
			t.Fatal(err)
		}
		var served []string
		for path := range storage.NewSearch(search.New(t.Context(), search.Settings{})) {
			if !options.disables(path) {
				served = append(served, path)
			}
		}
		slices.Sort(served)
		if got := strings.Join(served, " "); got != want {
			t.Errorf("with %q there are %q, want %q", given, got, want)
		}
	}
	options := NewSearchOptions()
	options.Members.Burst = 0
	if err := options.Validate(); err == nil || !strings.Contains(err.Error(), "--cluster-api-burst") || !strings.Contains(err.Error(), "--etcd-servers") {
		t.Errorf("error %v", err)
	}
}
