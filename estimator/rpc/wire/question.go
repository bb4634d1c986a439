package wire

import (
	"cmp"
	"errors"
	"fmt"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
)

// ReplicasRequest asks the question of one cluster of an installed estimator, which does not know its Pod.
func ReplicasRequest(cluster string, question *estimator.Question) (*MaxAvailableReplicasRequest, error) {
	requirements, err := encodeQuestionRequirements(question)
	if err != nil {
		return nil, err
	}
	assumed, err := encodeQuestionAssumed(cluster, question)
	if err != nil {
		return nil, err
	}
	return &MaxAvailableReplicasRequest{Cluster: &cluster, ReplicaRequirements: requirements, AssumedWorkloads: assumed}, nil
}

// SetsRequest asks the question, which has components, of one cluster of an installed estimator.
func SetsRequest(cluster string, question *estimator.Question) (*MaxAvailableComponentSetsRequest, error) {
	components, err := EncodeComponents(question.Components)
	if err != nil {
		return nil, err
	}
	assumed, err := encodeQuestionAssumed(cluster, question)
	if err != nil {
		return nil, err
	}
	return &MaxAvailableComponentSetsRequest{
		Cluster: &cluster, Components: components, Namespace: &question.Namespace, AssumedWorkloads: assumed,
	}, nil
}

// BatchRequest asks several questions of one cluster beside the same assumed workloads; those of the questions are not
// looked at.
func BatchRequest(cluster string, questions []*estimator.Question, assumed []estimator.AssumedWorkload) (*EstimateRequest, error) {
	request := &EstimateRequest{Cluster: cluster}
	for _, question := range questions {
		demand, err := EncodeDemand(question)
		if err != nil {
			return nil, err
		}
		request.Demands = append(request.Demands, demand)
	}
	var err error
	request.AssumedWorkloads, err = EncodeAssumed(assumed)
	return request, err
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

func encodeQuestionAssumed(cluster string, question *estimator.Question) ([]*AssumedWorkload, error) {
	if question.Assumed == nil {
		return nil, nil
	}
	assumed, err := EncodeAssumed(question.Assumed(cluster))
	if err != nil {
		return nil, fmt.Errorf("asking for %s: %w", question.Workload, err)
	}
	return assumed, nil
}
