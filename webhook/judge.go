package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"

	admissionv1 "k8s.io/api/admission/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	k8sjson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/conversion"
	ctrladmission "sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/seatrial/seatrial/api/admission"
	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/controllers/quota"
)

// Rules are what judgements depend on beside the object.
type Rules struct {
	// Plane answers with what is stored now, not from a view.
	Plane client.Client
	// IDs makes permanent identities; every call answers another one.
	IDs func() string
	// MultiplePodTemplates is the gate MultiplePodTemplatesScheduling, EnforceQuotas the gate FederatedQuotaEnforcement.
	MultiplePodTemplates, EnforceQuotas bool
	// NoExecuteTaintPolicy permits the effect NoExecute in a ClusterTaintPolicy.
	NoExecuteTaintPolicy bool
}

func (r Rules) options() admission.Options {
	return admission.Options{
		IDs: r.IDs, MultiplePodTemplates: r.MultiplePodTemplates, NoExecuteTaintPolicy: r.NoExecuteTaintPolicy,
	}
}

// judge answers for one kind.
type judge struct {
	judged
	rules   Rules
	decoder runtime.Decoder
	scheme  *runtime.Scheme
	ledger  *quota.Ledger
}

func newJudge(kind judged, rules Rules) judge {
	scheme := rules.Plane.Scheme()
	return judge{
		judged: kind, rules: rules, scheme: scheme, decoder: serializer.NewCodecFactory(scheme).UniversalDeserializer(),
		ledger: quota.NewLedger(clock.RealClock{}),
	}
}

// complete answers with what is missing in the object, as a JSON patch.
func (j judge) complete(_ context.Context, request ctrladmission.Request) ctrladmission.Response {
	object, old, err := j.objects(&request)
	if err != nil {
		return ctrladmission.Errored(http.StatusBadRequest, err)
	}
	before, err := tree(object.sent)
	if err != nil {
		return ctrladmission.Errored(http.StatusInternalServerError, err)
	}
	if err := admission.Default(object.stored, old.stored, j.rules.options()); err != nil {
		return ctrladmission.Errored(http.StatusUnprocessableEntity, err)
	}
	if err := object.restore(); err != nil {
		return ctrladmission.Errored(http.StatusInternalServerError, err)
	}
	after, err := tree(object.sent)
	if err != nil {
		return ctrladmission.Errored(http.StatusInternalServerError, err)
	}
	if reflect.DeepEqual(before, after) {
		return ctrladmission.Allowed("")
	}
	var onto any
	if err := k8sjson.Unmarshal(request.Object.Raw, &onto); err != nil {
		return ctrladmission.Errored(http.StatusBadRequest, err)
	}
	return ctrladmission.Patched("", patch("", onto, graft(onto, before, after))...)
}

// tree is an object as JSON values.
func tree(object runtime.Object) (any, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", object.GetObjectKind().GroupVersionKind().Kind, err)
	}
	var made any
	return made, k8sjson.Unmarshal(text, &made)
}

// validate refuses what is wrong, and charges quotas for bindings.
func (j judge) validate(ctx context.Context, request ctrladmission.Request) ctrladmission.Response {
	object, old, err := j.objects(&request)
	if err != nil {
		return ctrladmission.Errored(http.StatusBadRequest, err)
	}
	options := j.rules.options()
	if _, ok := object.stored.(*configv1alpha1.ResourceInterpreterCustomization); ok {
		stored := &configv1alpha1.ResourceInterpreterCustomizationList{}
		if err := j.rules.Plane.List(ctx, stored); err != nil {
			return refusal(fmt.Errorf("listing ResourceInterpreterCustomizations to compare with: %w", err))
		}
		options.Customizations = stored.Items
	}
	if faults := admission.Validate(object.stored, old.stored, options); len(faults) > 0 {
		return refusal(apierrors.NewInvalid(j.kind.GroupKind(), request.Name, faults))
	}
	if after, ok := object.stored.(*workv1alpha2.ResourceBinding); ok && j.rules.EnforceQuotas {
		before, _ := old.stored.(*workv1alpha2.ResourceBinding)
		dryRun := request.DryRun != nil && *request.DryRun
		if err := j.ledger.Admit(ctx, j.rules.Plane, before, after, dryRun); err != nil {
			return refusal(err)
		}
	}
	return ctrladmission.Allowed("")
}

// refusal tells an API error as it is, with its reason, and any other as one of this server.
func refusal(err error) ctrladmission.Response {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return ctrladmission.Errored(http.StatusInternalServerError, err)
	}
	result := status.Status()
	result.Message = err.Error()
	return ctrladmission.Response{AdmissionResponse: admissionv1.AdmissionResponse{Result: &result}}
}

// reviewed is an object as it was sent, and in the version that is stored; they are one where the versions are.
type reviewed struct{ sent, stored runtime.Object }

// restore brings changes of the stored version back to the sent one.
func (r reviewed) restore() error {
	if spoke, ok := r.sent.(conversion.Convertible); ok {
		return spoke.ConvertFrom(r.stored.(conversion.Hub))
	}
	return nil
}

// objects are the new and, on an update, the old object of a request.
func (j judge) objects(request *ctrladmission.Request) (object, old reviewed, err error) {
	if len(request.Object.Raw) == 0 {
		return object, old, fmt.Errorf("the %s request %s has no object: this path judges each %s that is created or updated",
			request.Operation, request.UID, j.kind.Kind)
	}
	if object, err = j.decode(request.Object.Raw); err != nil {
		return object, old, err
	}
	if request.Operation == admissionv1.Update {
		old, err = j.decode(request.OldObject.Raw)
	}
	return object, old, err
}

func (j judge) decode(raw []byte) (reviewed, error) {
	sent, kind, err := j.decoder.Decode(raw, nil, nil)
	if err != nil {
		return reviewed{}, fmt.Errorf("decoding the object under review: %w", err)
	}
	if kind.GroupKind() != j.kind.GroupKind() {
		return reviewed{}, fmt.Errorf("the object under review is a %s, and this path judges %s", kind.GroupKind(), j.kind.GroupKind())
	}
	spoke, ok := sent.(conversion.Convertible)
	if !ok {
		return reviewed{sent, sent}, nil
	}
	stored, err := j.scheme.New(j.kind)
	if err != nil {
		return reviewed{}, fmt.Errorf("making a %s: %w", j.kind, err)
	}
	if err := spoke.ConvertTo(stored.(conversion.Hub)); err != nil {
		return reviewed{}, fmt.Errorf("converting a %s to %s: %w", kind, j.kind.Version, err)
	}
	return reviewed{sent, stored}, nil
}

// protect refuses the deletion of objects of any kind that users protect.
func protect(_ context.Context, request ctrladmission.Request) ctrladmission.Response {
	if request.Operation != admissionv1.Delete {
		return ctrladmission.Errored(http.StatusBadRequest, fmt.Errorf("the request is to %s, and this path judges deletions", request.Operation))
	}
	object := &metav1.PartialObjectMetadata{}
	if err := json.Unmarshal(request.OldObject.Raw, object); err != nil {
		return ctrladmission.Errored(http.StatusBadRequest, fmt.Errorf("decoding the object to be deleted: %w", err))
	}
	if fault := admission.DeletionFault(object); fault != nil {
		return ctrladmission.Denied(fault.Error())
	}
	return ctrladmission.Allowed("")
}
