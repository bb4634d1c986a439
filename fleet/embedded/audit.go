package embedded

import (
	"fmt"
	"os"
	"path/filepath"
)

// auditPolicy has every change logged with its author and its outcome, events with what they say, and reads not at all.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: None
  verbs: [get, list, watch]
- level: None
  nonResourceURLs: ["*"]
- level: Request
  resources: [{group: events.k8s.io}, {group: "", resources: [events]}]
- level: Metadata
`

// writeAuditPolicy writes the policy and returns the flags that have an API server follow it.
func writeAuditPolicy(files Files) ([]string, error) {
	path := filepath.Join(files.Dir, "audit-policy.yaml")
	if err := os.WriteFile(path, []byte(auditPolicy), 0o600); err != nil {
		return nil, fmt.Errorf("writing the audit policy: %w", err)
	}
	return []string{"--audit-policy-file=" + path, "--audit-log-path=" + files.Audit, "--audit-log-mode=blocking"}, nil
}
