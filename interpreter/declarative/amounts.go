package declarative

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

const (
	// maxAmount is how long an amount may be, in bytes, and maxExponent how many digits its exponent may have. Kubernetes works
	// with all digits of a number: those of 1e-999999999 it would be at for hours.
	maxAmount   = 64
	maxExponent = 3
)

func noAmount(text string) error {
	return fmt.Errorf("%.*s must be an amount such as 2, \"500m\" or \"1Gi\"", maxAmount, text)
}

// checkAmount refuses text that is too large for an amount. Whether the rest is one is left to who reads it.
func checkAmount(text string) error {
	exponent := text[strings.LastIndexAny(text, "eE")+1:]
	if len(text) > maxAmount || exponent != text && len(strings.TrimLeft(exponent, "+-")) > maxExponent {
		return noAmount(text)
	}
	return nil
}

// amountFields hold an amount, or amounts by the names of resources, wherever they stand in what scripts return or ask about.
func amountFields() []string {
	return []string{"requests", "limits", "overhead", "resourceRequest", "sizeLimit", "divisor"}
}

// checkAmounts does that for all amounts in decoded JSON. Names of fields are compared as encoding/json does.
func checkAmounts(value any, amounts bool) error {
	switch value := value.(type) {
	case string:
		if amounts {
			return checkAmount(value)
		}
	case []any:
		for i := range value {
			if err := checkAmounts(value[i], amounts); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			known := slices.ContainsFunc(amountFields(), func(known string) bool { return strings.EqualFold(known, name) })
			if err := checkAmounts(value[name], amounts || known); err != nil {
				return err
			}
		}
	}
	return nil
}
