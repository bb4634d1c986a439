package component

import (
	"fmt"

	"github.com/spf13/pflag"
	"k8s.io/klog/v2"
)

// Ignored are flags of the reference that are accepted, so that the arguments of an installation go on working, and that change
// nothing here: name, and why.
type Ignored map[string]string

// ignoredValue takes any value.
type ignoredValue struct{ text string }

func (v *ignoredValue) String() string        { return v.text }
func (v *ignoredValue) Set(text string) error { v.text = text; return nil }
func (v *ignoredValue) Type() string          { return "string" }

// AddTo adds the flags. They are hidden from the help text.
func (i Ignored) AddTo(flags *pflag.FlagSet) {
	for name, why := range i {
		flag := flags.VarPF(&ignoredValue{}, name, "", "Accepted and ignored: "+why)
		flag.Hidden = true
	}
}

// Warn tells of those that were given.
func (i Ignored) Warn(flags *pflag.FlagSet) {
	flags.Visit(func(flag *pflag.Flag) {
		if why, ignored := i[flag.Name]; ignored {
			klog.Background().Info(fmt.Sprintf("Warning: --%s has no effect: %s", flag.Name, why), "value", flag.Value.String())
		}
	})
}
