package apiserver_test

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/seatrial/seatrial/apiserver"
)

// Manifests of an existing installation start the server with these flags.
func TestFlagsAreThoseOfTheReference(t *testing.T) {
	flags := pflag.NewFlagSet("apiserver", pflag.ContinueOnError)
	apiserver.NewOptions().AddFlags(flags)
	for name, value := range map[string]string{
		"audit-log-format":                       "json",
		"audit-log-maxage":                       "366",
		"audit-log-path":                         "",
		"audit-policy-file":                      "",
		"audit-webhook-config-file":              "",
		"authentication-kubeconfig":              "",
		"authentication-skip-lookup":             "false",
		"authorization-always-allow-paths":       "[/healthz,/readyz,/livez]",
		"authorization-kubeconfig":               "",
		"bind-address":                           "0.0.0.0",
		"cert-dir":                               "apiserver.local.config/certificates",
		"client-ca-file":                         "",
		"enable-garbage-collector":               "true",
		"enable-pprof":                           "false",
		"enable-priority-and-fairness":           "false",
		"encryption-provider-config":             "",
		"etcd-cafile":                            "",
		"etcd-certfile":                          "",
		"etcd-compaction-interval":               "5m0s",
		"etcd-keyfile":                           "",
		"etcd-prefix":                            "/registry",
		"etcd-servers":                           "[]",
		"feature-gates":                          "",
		"kube-api-burst":                         "60",
		"kube-api-qps":                           "40",
		"kubeconfig":                             "",
		"max-mutating-requests-inflight":         "200",
		"max-requests-inflight":                  "400",
		"min-request-timeout":                    "1800",
		"profiling":                              "true",
		"profiling-bind-address":                 ":6060",
		"request-timeout":                        "1m0s",
		"requestheader-client-ca-file":           "",
		"requestheader-username-headers":         "[x-remote-user]",
		"secure-port":                            "443",
		"storage-media-type":                     "application/json",
		"tls-cert-file":                          "",
		"tls-min-version":                        "",
		"tls-private-key-file":                   "",
		"watch-cache":                            "true",
		"authentication-tolerate-lookup-failure": "false",
	} {
		flag := flags.Lookup(name)
		if flag == nil {
			t.Errorf("there is no --%s", name)
			continue
		}
		if flag.DefValue != value {
			t.Errorf("--%s is %q by default, want %q", name, flag.DefValue, value)
		}
	}
}

func TestFeatureGateIsKnown(t *testing.T) {
	flags := pflag.NewFlagSet("apiserver", pflag.ContinueOnError)
	apiserver.NewOptions().AddFlags(flags)
	if usage := flags.Lookup("feature-gates").Usage; !strings.Contains(usage, "CustomizedClusterResourceModeling=true|false (BETA - default=true)") {
		t.Errorf("--feature-gates does not offer CustomizedClusterResourceModeling: %s", usage)
	}
}

func TestValidateNamesTheFlags(t *testing.T) {
	for _, test := range []struct {
		change func(*apiserver.Options)
		want   string
	}{
		{func(o *apiserver.Options) { o.Etcd.StorageConfig.Transport.ServerList = nil }, "--etcd-servers"},
		{func(o *apiserver.Options) { o.KubeAPIQPS = 0 }, "--kube-api-qps"},
		{func(o *apiserver.Options) { o.KubeAPIBurst = -1 }, "--kube-api-burst"},
		{func(o *apiserver.Options) { o.SecureServing.BindPort = 70000 }, "--secure-port"},
		{func(o *apiserver.Options) { o.EnablePprof, o.ProfilingBindAddress = true, "nowhere" }, "--profiling-bind-address"},
	} {
		options := apiserver.NewOptions()
		options.Etcd.StorageConfig.Transport.ServerList = []string{"http://127.0.0.1:2379"}
		if err := options.Validate(); err != nil {
			t.Fatalf("valid options are refused: %v", err)
		}
		test.change(options)
		if err := options.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v does not name %s", err, test.want)
		}
	}
}

func TestCompleteDelegatesToTheControlPlane(t *testing.T) {
	options := apiserver.NewOptions()
	options.Kubeconfig = "control-plane.config"
	options.Authorization.RemoteKubeConfigFile = "other.config"
	if err := options.Complete(); err != nil {
		t.Fatal(err)
	}
	if got := options.Authentication.RemoteKubeConfigFile; got != "control-plane.config" {
		t.Errorf("authentication is delegated by %q", got)
	}
	if got := options.Authorization.RemoteKubeConfigFile; got != "other.config" {
		t.Errorf("authorization is delegated by %q", got)
	}
}

func TestRegisterRefusesWhatCannotWork(t *testing.T) {
	for _, test := range []struct {
		address string
		ca      string
		want    string
	}{
		{"localhost", "ca", "missing port"},
		{"localhost:zero", "ca", "no port"},
		{"localhost:0", "ca", "no port"},
		{"localhost:70000", "ca", "no port"},
		{"localhost:443", "", "no CA bundle"},
	} {
		err := apiserver.Register(t.Context(), nil, test.address, []byte(test.ca))
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.address) {
			t.Errorf("registering %q: %v", test.address, err)
		}
	}
}
