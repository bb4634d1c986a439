// Package policies holds sets of policies for what fleets are used for, one folder each. The tests of the fleets apply these very
// files.
package policies

import "embed"

// Files are the manifests, in a folder for each set.
//
//go:embed */*.yaml
var Files embed.FS
