package declarative

import (
	"strings"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
)

// Document explains an operation to those who write a script for it.
type Document struct {
	// Question is what the control plane wants to know, and when.
	Question string
	// Arguments and Answer tell what the function is given and what it returns.
	Arguments, Answer string
	// Sample is a script that answers.
	Sample string
}

// Text is the document as paragraphs, without a line break at the end.
func (d Document) Text() string {
	lines := []string{d.Question, "", "Gets " + d.Arguments, "Returns " + d.Answer, "", "For example:", ""}
	for line := range strings.SplitSeq(strings.TrimSpace(d.Sample), "\n") {
		lines = append(lines, "  "+line)
	}
	return strings.Join(lines, "\n")
}

// Document is that of the operation.
func (o Operation) Document() Document {
	switch o.Name {
	case configv1alpha1.InterpreterOperationRetain:
		return Document{
			Question: "What stays as the member has it? Asked before an object that is in a member already is written there again, so that what\n" +
				"something in the member sets, such as an autoscaler, is not taken back.",
			Arguments: "desiredObj: the object as the control plane would write it; observedObj: the object as the member has it.",
			Answer:    "the object that is written: desiredObj with what is kept of observedObj.",
			Sample: `
function Retain(desiredObj, observedObj)
  desiredObj.spec.paused = observedObj.spec.paused
  return desiredObj
end`,
		}
	case configv1alpha1.InterpreterOperationInterpretReplica:
		return Document{
			Question:  "How many replicas does a template want, and what does each need? Asked when a template changes; the scheduler divides them.",
			Arguments: "desiredObj: the template.",
			Answer:    "a number, and the requirements of one replica: a table with resourceRequest, nodeClaim and priorityClassName, or nil.",
			Sample: `
local kube = require("kube")
function GetReplicas(desiredObj)
  return desiredObj.spec.replicas, kube.accuratePodRequirements(desiredObj.spec.template)
end`,
		}
	case configv1alpha1.InterpreterOperationInterpretComponent:
		return Document{
			Question: "Of which components does a template consist, such as a leader and workers? Asked in place of InterpretReplica with the\n" +
				"feature gate MultiplePodTemplatesScheduling.",
			Arguments: "desiredObj: the template.",
			Answer:    "a list of tables with name, replicas and replicaRequirements. Each name stands once.",
			Sample: `
local kube = require("kube")
function GetComponents(desiredObj)
  local workers = desiredObj.spec.workers
  return {
    {name = "leader", replicas = 1},
    {name = "workers", replicas = workers.replicas, replicaRequirements = kube.accuratePodRequirements(workers.template)},
  }
end`,
		}
	}
	return o.documentOfCopies()
}

// documentOfCopies is that of an operation on what clusters are given and what they report.
func (o Operation) documentOfCopies() Document {
	switch o.Name {
	case configv1alpha1.InterpreterOperationReviseReplica:
		return Document{
			Question:  "How does the object look with another number of replicas? Asked for each cluster that has been given a share of them.",
			Arguments: "desiredObj: the template; desiredReplica: the number of replicas of the cluster.",
			Answer:    "the object for the cluster.",
			Sample: `
function ReviseReplica(desiredObj, desiredReplica)
  desiredObj.spec.replicas = desiredReplica
  return desiredObj
end`,
		}
	case configv1alpha1.InterpreterOperationInterpretStatus:
		return Document{
			Question:  "Which part of the status does a cluster report? Asked whenever the status of a copy changes.",
			Arguments: "observedObj: the object as the member has it.",
			Answer:    "a table, or nil when there is nothing to report.",
			Sample: `
function ReflectStatus(observedObj)
  if observedObj.status == nil then
    return nil
  end
  return {readyReplicas = observedObj.status.readyReplicas}
end`,
		}
	case configv1alpha1.InterpreterOperationAggregateStatus:
		return Document{
			Question: "What do the reports of all clusters add up to? Asked when one of them changes; the answer becomes the status of the template.",
			Arguments: "desiredObj: the template; statusItems: a list of tables with clusterName, status (what the cluster reported, if anything),\n" +
				"applied, appliedMessage and health, or nil.",
			Answer: "desiredObj with its status.",
			Sample: `
function AggregateStatus(desiredObj, statusItems)
  local ready = 0
  for _, item in ipairs(statusItems or {}) do
    ready = ready + ((item.status or {}).readyReplicas or 0)
  end
  desiredObj.status = {readyReplicas = ready}
  return desiredObj
end`,
		}
	case configv1alpha1.InterpreterOperationInterpretHealth:
		return Document{
			Question:  "Does a copy work as it should? Asked whenever a copy changes; failover and moves go by the answer.",
			Arguments: "observedObj: the object as the member has it.",
			Answer:    "true or false.",
			Sample: `
function InterpretHealth(observedObj)
  return (observedObj.status or {}).readyReplicas == observedObj.spec.replicas
end`,
		}
	default:
		return Document{
			Question:  "What else does a cluster need for an object? Asked for templates whose policy propagates dependencies.",
			Arguments: "desiredObj: the template.",
			Answer:    "a list of tables with apiVersion, kind, namespace, and name or labelSelector.",
			Sample: `
local kube = require("kube")
function GetDependencies(desiredObj)
  return kube.getPodDependencies(desiredObj.spec.template, desiredObj.metadata.namespace)
end`,
		}
	}
}
