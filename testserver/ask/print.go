package ask

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Print writes the report for people.
func (r Report) Print(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "ADDRESS\tSERVED\tFAILED\tLONGEST GAP\tAT\tSLOWEST\tFAULTS")
	for _, line := range append(slices.Clone(r.Addresses), r.Total) {
		if line.Address == "" {
			line.Address = "all"
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%s\t%s\t%s\t%s\n", line.Address, line.Served, line.Failed,
			rounded(line.LongestGap.Long), rounded(line.LongestGap.Begin), rounded(line.Slowest), faults(line.Faults))
	}
	return table.Flush()
}

func rounded(d time.Duration) string { return d.Round(time.Millisecond).String() }

func faults(counts map[string]int) string {
	var all []string
	for _, fault := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, fmt.Sprintf("%s %d", fault, counts[fault]))
	}
	return strings.Join(all, ", ")
}
