local kube = require("kube")
local status = require("status")
local needs = require("needs")

function GetReplicas(desiredObj)
  return desiredObj.spec.replicas or 1, kube.accuratePodRequirements(desiredObj.spec.template)
end

function ReviseReplica(desiredObj, desiredReplica)
  desiredObj.spec.replicas = desiredReplica
  return desiredObj
end

function ReflectStatus(observedObj)
  return status.report(observedObj, {
    "observedGeneration", "replicas", "readyReplicas", "availableReplicas", "updatedReplicas", "updatedReadyReplicas",
    "updatedAvailableReplicas", "expectedUpdatedReplicas", "currentRevision", "updateRevision", "labelSelector",
  })
end

function AggregateStatus(desiredObj, statusItems)
  return status.aggregate(desiredObj, statusItems, {
    observedGeneration = true,
    sum = {
      "replicas", "readyReplicas", "availableReplicas", "updatedReplicas", "updatedReadyReplicas", "updatedAvailableReplicas",
      "expectedUpdatedReplicas",
    },
    shared = { "currentRevision", "updateRevision", "labelSelector" },
  })
end

-- A partition leaves pods at the old revision on purpose: expectedUpdatedReplicas tells how many shall have the new one.
function InterpretHealth(observedObj)
  if not status.current(observedObj) then
    return false
  end
  local have, wanted = observedObj.status, observedObj.spec.replicas or 1
  return (have.updatedReplicas or 0) >= (have.expectedUpdatedReplicas or wanted) and (have.availableReplicas or 0) >= wanted
end

function GetDependencies(desiredObj)
  local found = needs.of(desiredObj)
  found.pod(desiredObj.spec.template, needs.claims(desiredObj.spec.volumeClaimTemplates))
  return found.list
end
