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
    "observedGeneration", "replicas", "readyReplicas", "availableReplicas", "currentReplicas", "updatedReplicas",
    "updatedReadyReplicas", "updatedAvailableReplicas", "currentRevision", "updateRevision", "labelSelector",
  })
end

function AggregateStatus(desiredObj, statusItems)
  return status.aggregate(desiredObj, statusItems, {
    observedGeneration = true,
    sum = {
      "replicas", "readyReplicas", "availableReplicas", "currentReplicas", "updatedReplicas", "updatedReadyReplicas",
      "updatedAvailableReplicas",
    },
    shared = { "currentRevision", "updateRevision", "labelSelector" },
  })
end

-- The pods with ordinals below the partition of a rolling update keep the old revision.
function InterpretHealth(observedObj)
  if not status.current(observedObj) then
    return false
  end
  local have, wanted = observedObj.status, observedObj.spec.replicas or 1
  local rolling = (observedObj.spec.updateStrategy or {}).rollingUpdate or {}
  local updated = wanted - (tonumber(rolling.partition) or 0)
  return (have.updatedReplicas or 0) >= updated and (have.availableReplicas or have.readyReplicas or 0) >= wanted
end

function GetDependencies(desiredObj)
  local found = needs.of(desiredObj)
  found.pod(desiredObj.spec.template, needs.claims(desiredObj.spec.volumeClaimTemplates))
  return found.list
end
