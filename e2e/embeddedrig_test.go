package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seatrial/seatrial/e2e"
	"github.com/seatrial/seatrial/fleet/embedded"
	"github.com/seatrial/seatrial/fleet/local"
	"github.com/seatrial/seatrial/scheduler"
)

var _ e2e.Rig = (*installation)(nil)

// installPreset starts an installation whose components are set as cases need them.
func installPreset(t *testing.T, of preset) *installation {
	t.Helper()
	made := &installation{}
	made.flags, made.others = presetFlags(of)
	made.estimators = of == estimators
	made.start(t, local.Options{})
	return made
}

// presetFlags are those of the controllers, and those of other components.
func presetFlags(of preset) (controllers []string, others map[string][]string) {
	switch of {
	case failover:
		return failoverFlags(), nil
	case reference:
		both := []string{"--reference-failover"}
		return append(failoverFlags(), both...), map[string][]string{"scheduler": both}
	case quotas:
		gates := []string{"--feature-gates=FederatedQuotaEnforcement=true"}
		return gates, map[string][]string{"webhook": gates}
	case scaled:
		return []string{"--controllers=*,hpaScaleTargetMarker,deploymentReplicasSyncer"}, nil
	case estimators:
		return nil, map[string][]string{"scheduler": {withoutModels}}
	default:
		return nil, nil
	}
}

// Restart implements e2e.Rig.
func (i *installation) Restart(ctx context.Context) error { return i.crash(ctx, i.out) }

// Upgrade implements e2e.Rig. The other build differs by a byte at its end, which is enough to take it for another one.
func (i *installation) Upgrade(ctx context.Context) error {
	newer := filepath.Join(i.local.Dir(), "seatrial-newer")
	program, err := os.ReadFile(i.program)
	if err == nil {
		err = os.WriteFile(newer, append(program, 0), 0o755)
	}
	if err != nil {
		return fmt.Errorf("making another build: %w", err)
	}
	clusters, err := embedded.EnsureBinary(ctx, i.out)
	if err != nil {
		return err
	}
	if i.local, err = local.Open(local.Options{StateDir: i.local.Dir(), Executable: newer, ClusterBinary: clusters, Tied: true}); err != nil {
		return err
	}
	i.program = newer
	if i.others == nil {
		i.others = map[string][]string{}
	}
	i.others["scheduler"] = append(i.others["scheduler"], "--v=1")
	return i.up(ctx, i.out)
}

// Explain implements e2e.Rig.
func (i *installation) Explain(ctx context.Context, binding string) (scheduler.Explanation, error) {
	return explainBy(ctx, i.program, binding, append([]string{"--kubeconfig", i.kubeconfig}, i.others["scheduler"]...))
}

// explainBy asks the program as a user does.
func explainBy(ctx context.Context, program, binding string, flags []string) (scheduler.Explanation, error) {
	var out, problems bytes.Buffer
	command := exec.CommandContext(ctx, program, append([]string{"explain", "binding", binding, "-o", "json"}, flags...)...)
	command.Stdout, command.Stderr = &out, &problems
	if err := command.Run(); err != nil {
		return scheduler.Explanation{}, fmt.Errorf("seatrial explain binding %s: %w\n%s", binding, err, problems.String())
	}
	var told scheduler.Explanation
	if err := json.Unmarshal(out.Bytes(), &told); err != nil {
		return told, fmt.Errorf("reading what seatrial explain binding %s printed: %w", binding, err)
	}
	return told, nil
}

// Logs implements e2e.Rig: those of the components and of the clusters, with the path of each in its name.
func (i *installation) Logs(_ context.Context, folder string) error {
	return filepath.WalkDir(i.local.Dir(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".log" {
			return err
		}
		within, err := filepath.Rel(i.local.Dir(), path)
		if err != nil {
			return err
		}
		written, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(folder, strings.ReplaceAll(within, string(filepath.Separator), "-")), written, 0o644)
	})
}
