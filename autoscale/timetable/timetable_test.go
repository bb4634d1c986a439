package timetable

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/robfig/cron/v3"
)

func at(t testing.TB, text string) time.Time {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func parse(t testing.TB, expression, zone string) *Table {
	t.Helper()
	table, err := Parse(expression, zone, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// TestNext follows tables over the days on which clocks change: Berlin goes from +1 to +2 at 2026-03-29 02:00, and back at
// 2026-10-25 03:00.
func TestNext(t *testing.T) {
	for _, c := range []struct {
		name, expression, zone, after string
		want                          []string
	}{
		{"mornings", "0 8 * * 1-5", "", "2026-01-02T09:00:00Z", []string{"2026-01-05T08:00:00Z", "2026-01-06T08:00:00Z"}},
		{"of another zone", "0 8 * * *", "Asia/Shanghai", "2026-01-02T09:00:00Z", []string{"2026-01-03T00:00:00Z"}},
		{"of a zone in the expression", "TZ=Asia/Shanghai 0 8 * * *", "Europe/Berlin", "2026-01-02T09:00:00Z", []string{"2026-01-03T00:00:00Z"}},
		{"a word", "@daily", "Europe/Berlin", "2026-01-02T09:00:00Z", []string{"2026-01-02T23:00:00Z"}},
		{"every while", "@every 90m", "", "2026-01-02T09:00:00Z", []string{"2026-01-02T10:30:00Z", "2026-01-02T12:00:00Z"}},
		{"an hour that is left out", "30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z",
			[]string{"2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
		{"an hour that is there twice", "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z",
			[]string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		{"in the second of them", "45 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", []string{"2026-10-26T01:45:00Z"}},
		{"quarters go on when clocks go forward", "*/30 * * * *", "Europe/Berlin", "2026-03-29T00:15:00Z",
			[]string{"2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"}},
		{"quarters go on when clocks go back", "*/30 * * * *", "Europe/Berlin", "2026-10-25T00:15:00Z",
			[]string{"2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00Z"}},
		{"a day that never comes", "0 0 30 2 *", "", "2026-01-01T00:00:00Z", []string{"0001-01-01T00:00:00Z"}},
	} {
		table, after := parse(t, c.expression, c.zone), at(t, c.after)
		for i, want := range c.want {
			got := table.Next(after)
			if !got.Equal(at(t, want)) {
				t.Errorf("%s, number %d: %s, want %s", c.name, i, got.UTC(), want)
			}
			if want != c.want[len(c.want)-1] && !table.Agrees(got, after) {
				t.Errorf("%s, number %d: %s is not agreed to be the next one", c.name, i, got.UTC())
			}
			after = got
		}
	}
}

// TestProperties: times go on, a daily rule comes once for each day on the wall, and the last time is that found by walking.
func TestProperties(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	zones := []string{"", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu"}
	expressions := []string{"30 2 * * *", "0 0 * * *", "15 1 * * *", "*/20 * * * *", "0 */6 * * *", "5 3 1 * *", "@every 7h"}
	start := at(t, "2018-01-01T00:00:00Z")
	for range 300 {
		table := parse(t, expressions[random.IntN(len(expressions))], zones[random.IntN(len(zones))])
		from := start.Add(time.Duration(random.Int64N(int64(3 * 365 * 24 * time.Hour)))).Truncate(time.Second)
		next := from
		for range 50 {
			before := next
			if next = table.Next(before); !next.After(before) {
				t.Fatalf("after %s comes %s", before, next)
			}
		}
		first := table.Next(from)
		until := first.Add(time.Duration(random.Int64N(int64(40 * 24 * time.Hour))))
		last := first
		for next := table.Next(first); !next.After(until); next = table.Next(next) {
			last = next
		}
		if _, regular := table.schedule.(*cron.SpecSchedule); !regular {
			continue // what follows each other in whiles depends on where one begins
		}
		if got := table.Last(first, until); !got.Equal(last) {
			t.Fatalf("the last from %s until %s is %s, want %s", first, until, got, last)
		}
	}
	for _, zone := range zones {
		table, days := parse(t, "30 2 * * *", zone), map[string]int{}
		end := start.AddDate(2, 0, 0)
		for next := table.Next(start); next.Before(end); next = table.Next(next) {
			days[next.In(table.zone).Format(time.DateOnly)]++
		}
		for day := range days {
			if days[day] != 1 {
				t.Errorf("%s: due %d times on %s", zone, days[day], day)
			}
		}
		if len(days) < 729 || len(days) > 731 {
			t.Errorf("%s: due on %d days of two years", zone, len(days))
		}
	}
}

func TestFaults(t *testing.T) {
	for _, c := range []struct{ expression, zone string }{{"61 * * * *", ""}, {"", ""}, {"* * * * *", "Mars/Olympus"}} {
		if _, err := Parse(c.expression, c.zone, time.UTC); err == nil {
			t.Errorf("%q in zone %q is no schedule", c.expression, c.zone)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, expression := range []string{"0 8 * * 1-5", "@every 1s", "TZ=UTC 1 1 1 1 1", "*/7 2,3 29 2 *"} {
		f.Add(expression, "Europe/Berlin", int64(1_700_000_000))
	}
	f.Fuzz(func(t *testing.T, expression, zone string, seconds int64) {
		table, err := Parse(expression, zone, time.UTC)
		if err != nil || seconds < 0 || seconds > 1<<33 {
			return
		}
		after := time.Unix(seconds, 0)
		if next := table.Next(after); !next.IsZero() && !next.After(after) {
			t.Fatalf("%q: after %s comes %s", expression, after, next)
		}
	})
}
