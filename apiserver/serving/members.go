package serving

import (
	"fmt"

	"github.com/spf13/pflag"
)

// MemberLimits bound the requests to each member, per second.
type MemberLimits struct {
	QPS   float32
	Burst int
}

// DefaultMemberLimits are those of the reference.
func DefaultMemberLimits() MemberLimits { return MemberLimits{QPS: 40, Burst: 60} }

// AddFlags binds the limits to flags.
func (l *MemberLimits) AddFlags(flags *pflag.FlagSet) {
	flags.Float32Var(&l.QPS, "cluster-api-qps", l.QPS, "Requests per second to the API server of a member.")
	flags.IntVar(&l.Burst, "cluster-api-burst", l.Burst, "Requests to the API server of a member that may exceed --cluster-api-qps at once.")
}

// Validate names limits that cannot work.
func (l *MemberLimits) Validate() error {
	if l.QPS <= 0 || l.Burst <= 0 {
		return fmt.Errorf("--cluster-api-qps %v and --cluster-api-burst %d must be positive", l.QPS, l.Burst)
	}
	return nil
}
