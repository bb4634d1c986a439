package wire

import (
	"cmp"
	"errors"
	"fmt"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
)

// ReplicasRequest puts a demand to an installed estimator, which does not know its Pod.
func ReplicasRequest(cluster string, demand *Demand, assumed []*AssumedWorkload) *MaxAvailableReplicasRequest {
	return &MaxAvailableReplicasRequest{Cluster: &cluster, ReplicaRequirements: demand.GetReplicaRequirements(), AssumedWorkloads: assumed}
}

// SetsRequest puts a demand with components to an installed estimator.
func SetsRequest(cluster string, demand *Demand, assumed []*AssumedWorkload) *MaxAvailableComponentSetsRequest {
	namespace := demand.GetNamespace()
	return &MaxAvailableComponentSetsRequest{
		Cluster: &cluster, Components: demand.GetComponents(), Namespace: &namespace, AssumedWorkloads: assumed,
	}
}

// EncodeDemand encodes a question but for its name and its assumed workloads.
func EncodeDemand(question *estimator.Question) (*Demand, error) {
	demand := &Demand{Namespace: question.Namespace}
	var err error
	if demand.ReplicaRequirements, err = encodeQuestionRequirements(question); err != nil {
		return nil, err
	}
	if demand.Components, err = EncodeComponents(question.Components); err != nil {
		return nil, fmt.Errorf("asking for %s: %w", question.Workload, err)
	}
	if demand.Pod, err = EncodePod(question.Pod); err != nil {
		return nil, fmt.Errorf("asking for %s: %w", question.Workload, err)
	}
	return demand, nil
}

// DecodeDemand is the question of a demand. Fields in errors are relative to the message.
func DecodeDemand(demand *Demand) (*estimator.Question, error) {
	question := &estimator.Question{Namespace: demand.GetNamespace()}
	var err error
	if question.Requirements, err = DecodeRequirements(demand.GetReplicaRequirements()); err != nil {
		return nil, fmt.Errorf("replicaRequirements.%w", err)
	}
	if question.Components, err = DecodeComponents(demand.GetComponents()); err != nil {
		return nil, err
	}
	if question.Pod, err = DecodePod(demand.GetPod()); err != nil {
		return nil, fmt.Errorf("pod.%w", err)
	}
	if question.Namespace != "" {
		if question.Requirements == nil {
			question.Requirements = &workv1alpha2.ReplicaRequirements{}
		}
		question.Requirements.Namespace = cmp.Or(question.Requirements.Namespace, question.Namespace)
	}
	return question, nil
}

// Answers reads the answers to a batch of so many questions.
func Answers(response *EstimateResponse, questions int) ([]estimator.Answer, error) {
	if len(response.GetEstimates()) != questions {
		return nil, fmt.Errorf("the estimator gave %d answers to %d questions", len(response.GetEstimates()), questions)
	}
	answers := make([]estimator.Answer, questions)
	for i, estimate := range response.GetEstimates() {
		answer := estimator.Answer{Count: estimate.GetCount(), Stale: response.GetStale()}
		switch {
		case estimate.GetError() != "":
			answer = estimator.Answer{Stale: response.GetStale(), Err: errors.New(estimate.GetError())}
		case answer.Count < 0:
			answer = estimator.Answer{Stale: response.GetStale(), Err: fmt.Errorf("the estimator cannot tell: it answered %d", estimate.GetCount())}
		}
		answers[i] = answer
	}
	return answers, nil
}

// encodeQuestionRequirements gives the requirements the namespace of the question where they have none.
func encodeQuestionRequirements(question *estimator.Question) (*ReplicaRequirements, error) {
	requirements, err := EncodeRequirements(question.Requirements)
	if err != nil {
		return nil, fmt.Errorf("asking for %s: %w", question.Workload, err)
	}
	if requirements != nil {
		namespace := cmp.Or(requirements.GetNamespace(), question.Namespace)
		requirements.Namespace = &namespace
	}
	return requirements, nil
}
