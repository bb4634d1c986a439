package scenario

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// value is a field that is written as a word or number and means something else. Reading never fails, so that all problems of a file
// are found at once; fault tells what is wrong.
type value interface {
	fault() (text, fix string)
	empty() bool
}

// Duration is a span of virtual time, written as 90s or 1h30m.
type Duration struct {
	text string
	time.Duration
	err error
}

const durationFix = "write a duration such as 90s, 5m or 1h30m"

// UnmarshalJSON implements json.Unmarshaler.
func (d *Duration) UnmarshalJSON(content []byte) error {
	d.text = literal(content)
	if d.empty() {
		return nil
	}
	d.Duration, d.err = time.ParseDuration(d.text)
	if d.err == nil && (d.Duration < 0 || d.Duration > maxDuration) {
		d.err = fmt.Errorf("%s is not between 0 and %s", d.text, maxDuration)
	}
	return nil
}

// maxDuration keeps sums of replicas and time exact.
const maxDuration = 10 * 365 * 24 * time.Hour

// MarshalJSON implements json.Marshaler.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.text) }

// Or is the duration, or another where none is given.
func (d *Duration) Or(otherwise time.Duration) time.Duration {
	if d.empty() {
		return otherwise
	}
	return d.Duration
}

func (d *Duration) empty() bool { return d.text == "" }
func (d *Duration) fault() (text, fix string) {
	if d.err != nil {
		return fmt.Sprintf("%q is no duration", d.text), durationFix
	}
	return "", ""
}

// Time is a moment, written as 2026-01-01T00:00:00Z.
type Time struct {
	text string
	time.Time
	err error
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Time) UnmarshalJSON(content []byte) error {
	if t.text = literal(content); t.text != "" {
		t.Time, t.err = time.Parse(time.RFC3339, t.text)
		t.Time = t.UTC()
	}
	return nil
}

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) { return json.Marshal(t.text) }

func (t *Time) empty() bool { return t.text == "" }
func (t *Time) fault() (text, fix string) {
	if t.err != nil {
		return fmt.Sprintf("%q is no time", t.text), "write a time such as 2026-01-01T00:00:00Z"
	}
	return "", ""
}

// Quantity is an amount of a resource as Kubernetes writes it.
type Quantity struct {
	text string
	resource.Quantity
	err error
}

// UnmarshalJSON implements json.Unmarshaler.
func (q *Quantity) UnmarshalJSON(content []byte) error {
	if q.text = literal(content); q.text != "" {
		q.Quantity, q.err = resource.ParseQuantity(q.text)
	}
	return nil
}

// MarshalJSON implements json.Marshaler.
func (q Quantity) MarshalJSON() ([]byte, error) { return json.Marshal(q.text) }

func (q *Quantity) empty() bool { return q.text == "" }
func (q *Quantity) fault() (text, fix string) {
	const fix1 = "write a quantity such as 500m, 4 or 16Gi"
	switch {
	case q.err != nil:
		return fmt.Sprintf("%q is no quantity", q.text), fix1
	case q.Sign() < 0:
		return fmt.Sprintf("%q is negative", q.text), fix1
	}
	return "", ""
}

// Unit says how an Amount was written.
type Unit string

const (
	Plain   Unit = "number"
	Percent Unit = "part"
	Span    Unit = "duration"
)

// Amount is a number, a part such as 80%, or a duration such as 2m.
type Amount struct {
	text string
	// Value is the number, the part from 0 to 1, or the seconds.
	Value float64
	Unit  Unit
	err   error
}

// UnmarshalJSON implements json.Unmarshaler.
func (a *Amount) UnmarshalJSON(content []byte) error {
	a.text = literal(content)
	if a.text == "" {
		return nil
	}
	if part, ok := strings.CutSuffix(a.text, "%"); ok {
		a.Unit = Percent
		a.Value, a.err = strconv.ParseFloat(part+"e-2", 64) // a division would miss the closest number
	} else if number, err := strconv.ParseFloat(a.text, 64); err == nil {
		a.Unit, a.Value = Plain, number
	} else {
		var span time.Duration
		a.Unit = Span
		span, a.err = time.ParseDuration(a.text)
		a.Value = span.Seconds()
	}
	if a.err == nil && (math.IsNaN(a.Value) || a.Value < 0 || a.Value > maxAmount) {
		a.err = fmt.Errorf("%s is out of range", a.text)
	}
	return nil
}

// maxAmount is more than anything that is counted here, and exact as a float64.
const maxAmount = 1e12

// MarshalJSON implements json.Marshaler.
func (a Amount) MarshalJSON() ([]byte, error) { return json.Marshal(a.text) }

// Or is the value, or another where none is given.
func (a *Amount) Or(otherwise float64) float64 {
	if a.empty() {
		return otherwise
	}
	return a.Value
}

// IntOrPercent is the amount in the form of Kubernetes, in whole percents, rounded up. It is zero where none is given.
func (a *Amount) IntOrPercent() intstr.IntOrString {
	if a.Unit == Percent {
		return intstr.FromString(strconv.Itoa(int(math.Ceil(float64(a.Value*100)-1e-9))) + "%")
	}
	return intstr.FromInt32(int32(min(a.Value, math.MaxInt32)))
}

func (a *Amount) empty() bool { return a.text == "" }
func (a *Amount) fault() (text, fix string) {
	if a.err != nil {
		return fmt.Sprintf("%q is no amount", a.text), "write a number, a part such as 80%, or a duration such as 2m"
	}
	return "", ""
}

// of is how many of a total the amount means: the number, or the part rounded up.
func (a *Amount) of(total int) int {
	if a.Unit == Percent {
		return min(total, int(math.Ceil(float64(a.Value*float64(total))-1e-9)))
	}
	return min(total, int(a.Value))
}

// Raw is a part of the file that is read later.
type Raw struct{ content []byte }

// UnmarshalJSON implements json.Unmarshaler.
func (r *Raw) UnmarshalJSON(content []byte) error {
	r.content = append([]byte(nil), content...)
	return nil
}

// MarshalJSON implements json.Marshaler.
func (r Raw) MarshalJSON() ([]byte, error) {
	if r.content == nil {
		return []byte("null"), nil
	}
	return r.content, nil
}

func (r *Raw) empty() bool             { return len(r.content) == 0 || string(r.content) == "null" }
func (*Raw) fault() (text, fix string) { return "", "" }

// literal is a JSON string or number as text; what is neither stays as it is written, for the message.
func literal(content []byte) string {
	var text string
	if json.Unmarshal(content, &text) == nil {
		return text
	}
	return string(content)
}
