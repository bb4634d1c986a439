package registration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
)

// Names of what runs the agent in its member.
const (
	AgentName        = "karmada-agent"
	agentAccount     = "karmada-agent-sa"
	kubeconfigFolder = "/etc/kubeconfig"
	agentHealthPort  = 10357
)

// Deployment says how the agent runs in its member.
type Deployment struct {
	// Namespace is that of the agent, karmada-system as a rule, and Name that of its Deployment; empty means karmada-agent.
	Namespace, Name string
	Image           string
	Replicas        int32
	// Kubeconfig reaches the control plane.
	Kubeconfig []byte
	// Rotate replaces the certificate before it expires.
	Rotate bool
}

func (d Deployment) name() string { return cmp.Or(d.Name, AgentName) }

// Registered fails when an agent has been deployed to a member.
func (d Deployment) Registered(ctx context.Context, cluster client.Client) error {
	for _, object := range []client.Object{
		&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: d.name()}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: AgentSecret}},
	} {
		err := cluster.Get(ctx, client.ObjectKeyFromObject(object), object)
		if err == nil {
			return fmt.Errorf("the cluster has an agent already (%T %s); take it away first with `seatrial unregister`", object, client.ObjectKeyFromObject(object))
		}
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("looking for an agent in the cluster: %w", err)
		}
	}
	return nil
}

// Deploy makes the agent run in its member. What is there already stays, but for the secret, which is replaced.
func (d Deployment) Deploy(ctx context.Context, cluster client.Client, member Member) error {
	system := map[string]string{names.LabelSystem: names.LabelSystemValue}
	namespaced := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: d.Namespace, Name: name, Labels: system}
	}
	all := []rbacv1.PolicyRule{
		{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}},
		{NonResourceURLs: []string{"*"}, Verbs: []string{"get"}},
	}
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: d.Namespace, Labels: system}},
		&corev1.ServiceAccount{ObjectMeta: namespaced(agentAccount)},
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: AgentName, Labels: system}, Rules: all},
		&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: AgentName, Labels: system}, RoleRef: clusterRole(AgentName),
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: d.Namespace, Name: agentAccount}}},
	} {
		if err := cluster.Create(ctx, object); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("deploying the agent: creating %T %s: %w", object, object.GetName(), err)
		}
	}
	if err := replaceSecret(ctx, cluster, credentials(d.Namespace, AgentSecret, map[string][]byte{AgentSecretKey: d.Kubeconfig})); err != nil {
		return fmt.Errorf("deploying the agent: %w", err)
	}
	if err := cluster.Create(ctx, d.workload(member)); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("deploying the agent: %w", err)
	}
	return nil
}

// workload is the Deployment of the agent.
func (d Deployment) workload(member Member) *appsv1.Deployment {
	labels := map[string]string{"app": AgentName}
	probe := &corev1.Probe{
		ProbeHandler:        corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromInt32(agentHealthPort)}},
		InitialDelaySeconds: 15, PeriodSeconds: 15, TimeoutSeconds: 5, FailureThreshold: 3,
	}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: d.name(), Labels: map[string]string{"app": AgentName, names.LabelSystem: names.LabelSystemValue}},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(d.Replicas), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					ServiceAccountName: agentAccount,
					Tolerations:        []corev1.Toleration{{Key: "node-role.kubernetes.io/control-plane", Operator: corev1.TolerationOpExists}},
					Containers: []corev1.Container{{
						Name: AgentName, Image: d.Image, Args: d.arguments(member), LivenessProbe: probe,
						Ports:        []corev1.ContainerPort{{Name: "metrics", ContainerPort: 8080}},
						VolumeMounts: []corev1.VolumeMount{{Name: "kubeconfig", MountPath: kubeconfigFolder}},
						Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
							corev1.ResourceCPU: resource.MustParse("50m"), corev1.ResourceMemory: resource.MustParse("100Mi"),
						}},
					}},
					Volumes: []corev1.Volume{{Name: "kubeconfig", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: AgentSecret}}}},
				},
			},
		},
	}
}

func (d Deployment) arguments(member Member) []string {
	arguments := []string{
		"agent", "--karmada-kubeconfig=" + kubeconfigFolder + "/" + AgentSecretKey, "--karmada-kubeconfig-namespace=" + d.Namespace,
		"--cluster-name=" + member.Name, "--cluster-api-endpoint=" + member.Endpoint, "--cluster-namespace=" + member.namespace(),
		"--leader-elect-resource-namespace=" + d.Namespace, "--health-probe-bind-address=0.0.0.0:" + strconv.Itoa(agentHealthPort),
	}
	for _, given := range []struct{ flag, value string }{
		{"--proxy-server-address=", member.ProxyURL}, {"--cluster-provider=", member.Provider}, {"--cluster-region=", member.Region},
		{"--cluster-zones=", strings.Join(member.Zones, ",")},
	} {
		if given.value != "" {
			arguments = append(arguments, given.flag+given.value)
		}
	}
	if d.Rotate {
		arguments = append(arguments, "--controllers=*,certRotation")
	}
	return arguments
}

// Unregister takes a member in Pull mode out of the fleet: its Cluster goes first, while the agent still takes away what the control
// plane had put there, then the agent goes. cluster may be nil when the member cannot be reached any more.
func Unregister(ctx context.Context, plane, cluster client.Client, member Member, agent Deployment, options UnjoinOptions) error {
	if err := removeCluster(ctx, plane, member.Name, options.Wait); err != nil {
		return fmt.Errorf("unregistering cluster %s: %w", member.Name, err)
	}
	if cluster == nil {
		return nil
	}
	namespaced := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: agent.Namespace, Name: name} }
	var failures []error
	for _, object := range []client.Object{
		&appsv1.Deployment{ObjectMeta: namespaced(agent.name())},
		&corev1.Secret{ObjectMeta: namespaced(AgentSecret)},
		&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: AgentName}},
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: AgentName}},
		&corev1.ServiceAccount{ObjectMeta: namespaced(agentAccount)},
	} {
		if err := cluster.Delete(ctx, object, client.PropagationPolicy(metav1.DeletePropagationBackground)); client.IgnoreNotFound(err) != nil {
			failures = append(failures, fmt.Errorf("deleting %T %s: %w", object, object.GetName(), err))
		}
	}
	failures = append(failures, removeNamespace(ctx, cluster, agent.Namespace), revokeAccess(ctx, cluster, member))
	if err := errors.Join(failures...); err != nil {
		return fmt.Errorf("unregistering cluster %s: cleaning the member: %w", member.Name, err)
	}
	return nil
}

// AgentAccess is how the agent in a member reaches its control plane.
func AgentAccess(ctx context.Context, cluster client.Client, namespace string) (*rest.Config, error) {
	secret := &corev1.Secret{}
	name := client.ObjectKey{Namespace: namespace, Name: AgentSecret}
	if err := cluster.Get(ctx, name, secret); err != nil {
		return nil, fmt.Errorf("reading the kubeconfig of the agent, secret %s of the member: %w", name, err)
	}
	config, err := confined(secret.Data[AgentSecretKey])
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig of the agent, secret %s of the member: %w", name, err)
	}
	return config, nil
}

// confined reads a kubeconfig that comes from a member. Whoever rules the member must not have this machine run a program, or send
// its files away.
func confined(text []byte) (*rest.Config, error) {
	config, err := clientcmd.Load(text)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(config.AuthInfos)) {
		user := config.AuthInfos[name]
		if user.Exec != nil || user.AuthProvider != nil || user.ClientCertificate != "" || user.ClientKey != "" || user.TokenFile != "" {
			return nil, fmt.Errorf("user %q names a program or a file: an agent's has all in it", name)
		}
	}
	return clientcmd.NewDefaultClientConfig(*config, nil).ClientConfig()
}
