// Package english has kubectl's code speak English, as this program does. Loading its translations would be most of what that code
// costs at the start of every command.
//
// Go initializes packages whose imports are, in the order of their paths, so this one comes before those that translate.
package english

import "k8s.io/kubectl/pkg/util/i18n"

func init() {
	if err := i18n.SetLoadTranslationsFunc(func() error { return nil }); err != nil {
		panic(err) // only without a function
	}
}
