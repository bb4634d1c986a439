package scenario

import (
	"encoding/json"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

// Distribution is what a duration or a number is drawn from. A number or a duration in its place is the constant one.
type Distribution struct {
	Shape Shape `json:"shape,omitempty"`
	// Mean of all shapes but Uniform and Pareto.
	Mean Amount `json:"mean,omitempty"`
	// Deviation is the standard deviation of Normal and LogNormal.
	Deviation Amount `json:"deviation,omitempty"`
	// Min and Max bound what is drawn. Uniform lies between them; Pareto begins at Min.
	Min Amount `json:"min,omitempty"`
	Max Amount `json:"max,omitempty"`
	// Tail is the exponent of Pareto: the smaller, the heavier its tail.
	Tail float64 `json:"tail,omitempty" rule:"min=0"`

	// plain says that it is written as its mean alone.
	plain bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (d *Distribution) UnmarshalJSON(content []byte) error {
	type fields Distribution
	if len(content) > 0 && content[0] == '{' {
		return json.Unmarshal(content, (*fields)(d))
	}
	*d = Distribution{plain: true}
	return d.Mean.UnmarshalJSON(content)
}

// source of chance for one purpose: what is drawn for one part of a scenario does not depend on other parts.
func source(seed uint64, purpose string) *rand.PCG {
	hash := fnv.New64a()
	hash.Write([]byte(purpose))
	return rand.NewPCG(seed, hash.Sum64())
}

// Draw takes one value: seconds or a number. It keeps six places, so that the last bits of logarithms, which differ between
// machines, do not count.
func (d *Distribution) Draw(from rand.Source) float64 {
	value := d.draw(from)
	if !d.Min.empty() {
		value = max(value, d.Min.Value)
	}
	if !d.Max.empty() {
		value = min(value, d.Max.Value)
	}
	return math.Round(min(max(value, 0), maxAmount)*1e6) / 1e6
}

func (d *Distribution) draw(from rand.Source) float64 {
	mean, deviation := d.Mean.Value, d.Deviation.Value
	switch d.Shape {
	case uniformly:
		return distuv.Uniform{Min: d.Min.Value, Max: d.Max.Value, Src: from}.Rand()
	case exponential:
		return distuv.Exponential{Rate: 1 / mean, Src: from}.Rand()
	case normal:
		return distuv.Normal{Mu: mean, Sigma: deviation, Src: from}.Rand()
	case logNormal:
		spread := math.Log1p((deviation / mean) * (deviation / mean))
		return distuv.LogNormal{Mu: math.Log(mean) - spread/2, Sigma: math.Sqrt(spread), Src: from}.Rand()
	case pareto:
		return distuv.Pareto{Xm: d.Min.Value, Alpha: d.Tail, Src: from}.Rand()
	}
	return mean
}

// Duration draws a span of time in whole milliseconds.
func (d *Distribution) Duration(from rand.Source) time.Duration {
	seconds := min(d.Draw(from), maxDuration.Seconds())
	return time.Duration(math.Round(seconds*1000)) * time.Millisecond
}

// number draws a whole number.
func (d *Distribution) number(from rand.Source) int { return int(math.Round(d.Draw(from))) }

// parameters are what each shape needs, and what it can have.
func (s Shape) parameters() (needs, may []string) {
	switch s {
	case uniformly:
		return []string{"min", "max"}, nil
	case exponential:
		return []string{"mean"}, []string{"min", "max"}
	case normal, logNormal:
		return []string{"mean", "deviation"}, []string{"min", "max"}
	case pareto:
		return []string{"min", "tail"}, []string{"max"}
	}
	return []string{"mean"}, nil
}

// check tells what is missing to draw from it, and what would be passed over. Unit is what it shall be drawn in.
func (d *Distribution) check(p *problems, field string, unit Unit) {
	needs, may := d.Shape.parameters()
	amounts := []struct {
		name   string
		amount *Amount
	}{{"mean", &d.Mean}, {"deviation", &d.Deviation}, {"min", &d.Min}, {"max", &d.Max}}
	given := map[string]bool{"tail": d.Tail > 0}
	for _, part := range amounts {
		given[part.name] = !part.amount.empty()
		if part.amount.empty() || part.amount.err != nil {
			continue
		}
		if part.amount.Unit != unit && !(part.amount.Value == 0 && part.amount.Unit == Plain) {
			p.add(d.part(field, part.name), "write a "+string(unit), "%s is a %s", part.amount.text, part.amount.Unit)
		}
	}
	shape := orWord(string(d.Shape), string(constant))
	for _, name := range []string{"mean", "deviation", "min", "max", "tail"} {
		switch {
		case slices.Contains(needs, name) && !given[name]:
			p.add(field, "add "+name, "%s needs %s", shape, name)
		case given[name] && !slices.Contains(needs, name) && !slices.Contains(may, name):
			p.add(field+"."+name, "remove it, or write another shape", "%s has no %s", shape, name)
		}
	}
	if given["min"] && given["max"] && d.Min.Value > d.Max.Value {
		p.add(field+".max", "write a max that is not below min", "max is below min")
	}
	if d.positive() && given["mean"] && d.Mean.Value == 0 {
		p.add(field+".mean", "write more than 0", "%s has no mean of 0", d.Shape)
	}
	if d.Shape == pareto && given["min"] && d.Min.Value == 0 {
		p.add(field+".min", "write more than 0", "Pareto cannot begin at 0")
	}
}

// part is the field of one of its parameters.
func (d *Distribution) part(field, name string) string {
	if d.plain {
		return field
	}
	return field + "." + name
}

func (d *Distribution) positive() bool { return d.Shape == exponential || d.Shape == logNormal }

func orWord(word, otherwise string) string {
	if word == "" {
		return otherwise
	}
	return word
}
