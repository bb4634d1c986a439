local status = require("status")
local needs = require("needs")

local counters = { "matchedPods", "updatedPods", "readyPods", "updatedReadyPods" }

function ReflectStatus(observedObj)
  return status.report(observedObj, {
    "observedGeneration", "matchedPods", "updatedPods", "readyPods", "updatedReadyPods", "latestRevision",
  })
end

function AggregateStatus(desiredObj, statusItems)
  return status.aggregate(desiredObj, statusItems, {
    observedGeneration = true, sum = counters, shared = { "latestRevision" },
  })
end

function InterpretHealth(observedObj)
  if not status.current(observedObj) then
    return false
  end
  local have = observedObj.status
  return (have.updatedPods or 0) >= (have.matchedPods or 0) and (have.updatedReadyPods or 0) >= (have.updatedPods or 0)
end

-- A SidecarSet is in no namespace: what its containers name is in those of the pods. Only one it is restricted to is known.
function GetDependencies(desiredObj)
  local spec = desiredObj.spec
  if spec.namespace == nil then
    return {}
  end
  local found = needs.of({ metadata = { namespace = spec.namespace } })
  found.pod({ spec = {
    containers = spec.containers, initContainers = spec.initContainers, volumes = spec.volumes, imagePullSecrets = spec.imagePullSecrets,
  } })
  return found.list
end
