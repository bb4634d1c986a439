package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"

	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/deploy"
	"github.com/seatrial/seatrial/fleet/local"
	"github.com/seatrial/seatrial/install"
	"github.com/seatrial/seatrial/registration"
)

// installOptions are the flags of install.
type installOptions struct {
	kubeconfig, context     string
	options                 install.Options
	externalIPs, externalDN []string
	storageMode             string
	claim                   deploy.Claim
	claimSize               string
	members                 []string
	writeTo                 string
	print                   bool
	output                  output
}

// Where etcd keeps its data, by the words of the reference.
const (
	storagePVC      = "PVC"
	storageEmptyDir = "emptyDir"
)

func newInstallCommand() *cobra.Command {
	o := &installOptions{
		options: install.Options{
			Values:       deploy.Values{Namespace: names.NamespaceSystem, Replicas: 1, NodePort: 32443, Images: deploy.Images{Seatrial: "seatrial:latest"}},
			CertValidity: 365 * 24 * time.Hour, Timeout: 5 * time.Minute,
		},
		storageMode: storagePVC, claimSize: "5Gi", writeTo: "karmada-apiserver.config", output: outputText,
	}
	command := &cobra.Command{
		Use:   "install --kubeconfig HOST",
		Short: "Install a control plane in a Kubernetes cluster",
		Long: `Install a control plane in the cluster of the kubeconfig, its host: etcd, the API server, the aggregated API, the webhook,
the controllers and the scheduler, with certificates of their own.

Running it again changes what differs from what the flags say, and nothing else; certificates that serve stay. No cluster is joined
unless --member names one.`,
		Example: `  seatrial install --kubeconfig host.config --image registry.example.com/seatrial:v1

  # What would be done
  seatrial install --kubeconfig host.config --dry-run

  # With a member in Push mode and its estimator, and etcd without a volume
  seatrial install --kubeconfig host.config --etcd-storage-mode emptyDir --member member1=member1.config`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return o.run(command) },
	}
	o.addFlags(command)
	return command
}

func (o *installOptions) addFlags(command *cobra.Command) {
	flags, values := command.Flags(), &o.options.Values
	addHost(command, &o.kubeconfig, &o.context, &values.Namespace)
	flags.StringVar(&values.Images.Seatrial, "image", values.Images.Seatrial, "Image of the components: one with this program as its entry point")
	flags.StringVar(&values.Images.KubeAPIServer, "kube-apiserver-image", "", "Image of kube-apiserver (default the one that the host itself runs)")
	flags.StringVar(&values.Images.KubeControllerManager, "kube-controller-manager-image", "", "Image of kube-controller-manager (default the one that the host itself runs)")
	flags.StringVar(&values.Images.Etcd, "etcd-image", "", "Image of etcd (default the one that the host itself runs)")
	flags.StringSliceVar(&values.PullSecrets, "image-pull-secrets", nil, "Secrets in the namespace for registries that ask who is there")
	flags.Int32Var(&values.Replicas, "replicas", values.Replicas, "Copies of each component; etcd has one")
	flags.Int32VarP(&values.NodePort, "port", "p", values.NodePort, "Port on the host's nodes by which the API server is reached")
	flags.StringVar(&o.options.Advertised, "karmada-apiserver-advertise-address", "", "Address, HOST or HOST:PORT, by which clients and agents reach the API server (default a node of the host, with --port)")
	flags.StringSliceVar(&o.externalIPs, "cert-external-ip", nil, "Further IP addresses that the API server's certificate is good for")
	flags.StringSliceVar(&o.externalDN, "cert-external-dns", nil, "Further DNS names that the API server's certificate is good for")
	flags.DurationVar(&o.options.CertValidity, "cert-validity-period", o.options.CertValidity, "How long certificates last")
	flags.BoolVar(&o.options.Rotate, "rotate-certificates", false, "Replace certificates that still serve; authorities stay")
	flags.StringVar(&o.storageMode, "etcd-storage-mode", o.storageMode, "Where etcd keeps its data: PVC, a volume of the host, or emptyDir, which is lost with the pod")
	flags.StringVar(&o.claim.Class, "storage-classes-name", "", "Storage class of that volume (default the host's default one)")
	flags.StringVar(&o.claimSize, "etcd-pvc-size", o.claimSize, "Size of that volume")
	flags.StringArrayVar(&o.members, "member", nil, "NAME=KUBECONFIG of a cluster to join in Push mode, with an estimator; can be given several times")
	flags.StringVar(&o.writeTo, "write-kubeconfig", o.writeTo, "File that the control plane's kubeconfig is written to; - means the standard output")
	flags.BoolVar(&o.options.Force, "force-conflicts", false, "Take over fields that others have set since")
	flags.BoolVar(&o.options.DryRun, "dry-run", false, "Check the host and say what would be done")
	flags.BoolVar(&o.print, "print", false, "Print the manifests, without the Secrets, and do nothing; images that the host shows stand as their names")
	flags.DurationVar(&o.options.Timeout, "timeout", o.options.Timeout, "Give up after this time; what was made then stays, and another run goes on from there")
	o.output.addTo(command)
	_ = command.RegisterFlagCompletionFunc("etcd-storage-mode", cobra.FixedCompletions([]string{storagePVC, storageEmptyDir}, cobra.ShellCompDirectiveNoFileComp))
	_ = command.MarkFlagFilename("write-kubeconfig")
}

// addHost adds the flags that find the host.
func addHost(command *cobra.Command, kubeconfig, context, namespace *string) {
	command.Flags().StringVar(kubeconfig, "kubeconfig", "", "Kubeconfig of the host (default $KUBECONFIG or ~/.kube/config)")
	command.Flags().StringVar(context, "context", "", "Context of that kubeconfig (default its current one)")
	command.Flags().StringVarP(namespace, "namespace", "n", *namespace, "Namespace of the control plane in the host")
	// It fails only for a flag that does not exist.
	_ = command.MarkFlagFilename("kubeconfig")
}

func (o *installOptions) run(command *cobra.Command) error {
	if err := o.complete(); err != nil {
		return err
	}
	if o.print {
		return printManifests(command.OutOrStdout(), o.options.Values)
	}
	if o.writeTo == "-" && o.output == outputJSON {
		return errors.New("--write-kubeconfig - and --output json both want the standard output: name a file")
	}
	var err error
	if o.options.Members, err = membersOf(o.members); err != nil {
		return err
	}
	host, err := connectHost(o.kubeconfig, o.context, o.options.Values.Namespace)
	if err != nil {
		return err
	}
	result, err := install.Install(command.Context(), host, o.options, local.NewProgress(command.ErrOrStderr()))
	if err != nil {
		return err
	}
	if err := o.writeKubeconfig(command.OutOrStdout(), result); err != nil {
		return err
	}
	if o.output == outputJSON {
		return printJSON(command.OutOrStdout(), result)
	}
	return o.printResult(command.ErrOrStderr(), result)
}

// complete judges the flags and makes options of them.
func (o *installOptions) complete() error {
	switch o.storageMode {
	case storageEmptyDir:
	case storagePVC:
		size, err := resource.ParseQuantity(o.claimSize)
		if err != nil {
			return fmt.Errorf("--etcd-pvc-size %q: %w", o.claimSize, err)
		}
		o.claim.Size = size
		o.options.Values.Storage = &o.claim
	default:
		return fmt.Errorf("--etcd-storage-mode %q: use %s or %s", o.storageMode, storagePVC, storageEmptyDir)
	}
	if o.options.CertValidity < 24*time.Hour {
		return fmt.Errorf("--cert-validity-period is %s: certificates last at least a day, for nothing replaces them but another run", o.options.CertValidity)
	}
	o.options.ExternalHosts = slices.Concat(o.externalIPs, o.externalDN)
	return nil
}

func connectHost(kubeconfig, context, namespace string) (install.Host, error) {
	log.SetLogger(logr.Discard())
	config, err := load(kubeconfig, context).ClientConfig()
	if err != nil {
		return install.Host{}, fmt.Errorf("finding the host (see --kubeconfig and --context): %w", err)
	}
	config.QPS = -1
	return install.Connect(config, namespace)
}

// membersOf reads the members of --member.
func membersOf(texts []string) ([]install.Member, error) {
	var members []install.Member
	for _, text := range texts {
		name, path, ok := strings.Cut(text, "=")
		if !ok || path == "" {
			return nil, fmt.Errorf("--member %q is not of the form NAME=KUBECONFIG", text)
		}
		if err := nameOfCluster(nil, []string{name}); err != nil {
			return nil, fmt.Errorf("--member %q: %w", text, err)
		}
		s := &sides{clusterKubeconfig: path, clusterNamespace: names.NamespaceCluster}
		access, err := s.member()
		if err != nil {
			return nil, fmt.Errorf("--member %q: %w", text, err)
		}
		member := install.Member{Member: registration.Member{Name: name}}
		if err := s.describe(access, &member.Member); err != nil {
			return nil, fmt.Errorf("--member %q: %w", text, err)
		}
		if member.Client, err = newClient(access); err != nil {
			return nil, fmt.Errorf("--member %q: %w", text, err)
		}
		members = append(members, member)
	}
	return members, nil
}

func (o *installOptions) writeKubeconfig(out io.Writer, result *install.Result) error {
	if o.options.DryRun {
		return nil
	}
	if o.writeTo == "-" {
		_, err := out.Write(result.Kubeconfig)
		return err
	}
	if err := writePrivate(o.writeTo, result.Kubeconfig); err != nil {
		return fmt.Errorf("writing the kubeconfig of the control plane (see --write-kubeconfig): %w", err)
	}
	return nil
}

// writePrivate writes what nobody but the user may read, also where a file was that others could.
func writePrivate(path string, text []byte) (err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Mode().IsRegular() {
		if err := file.Chmod(0o600); err != nil {
			return err
		}
	}
	_, err = file.Write(text)
	return err
}

func (o *installOptions) printResult(out io.Writer, result *install.Result) error {
	if o.options.DryRun {
		for _, change := range result.Changes {
			if change.Action != "unchanged" {
				fmt.Fprintf(out, "would be %s: %s %s\n", change.Action, change.Kind, change.Name)
			}
		}
	}
	fmt.Fprintf(out, "\n%d objects created, %d changed, %d unchanged\n", result.Count("created"), result.Count("changed"), result.Count("unchanged"))
	if o.options.DryRun || o.writeTo == "-" {
		return nil
	}
	path, err := filepath.Abs(o.writeTo)
	_, printErr := fmt.Fprintf(out, "the control plane is at %s\n\nexport KUBECONFIG=%s\n", result.Endpoint, cmp.Or(path, o.writeTo))
	return errors.Join(err, printErr)
}

// printManifests prints what would be applied to the host. What the host has to show first stands as the name of the program.
func printManifests(out io.Writer, values deploy.Values) error {
	images := &values.Images
	images.KubeAPIServer = cmp.Or(images.KubeAPIServer, "kube-apiserver")
	images.KubeControllerManager = cmp.Or(images.KubeControllerManager, "kube-controller-manager")
	images.Etcd = cmp.Or(images.Etcd, "etcd")
	manifests, err := deploy.Render(values)
	if err != nil {
		return err
	}
	for n, object := range slices.Concat(manifests.Foundation, manifests.API, manifests.Servers, manifests.Controllers) {
		if err := printManifest(out, n, object); err != nil {
			return err
		}
	}
	return nil
}

func printManifest(out io.Writer, n int, object client.Object) error {
	text, err := yaml.Marshal(object)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", object.GetName(), err)
	}
	if n > 0 {
		fmt.Fprintln(out, "---")
	}
	_, err = out.Write(text)
	return err
}
