local kube = require("kube")
local status = require("status")
local needs = require("needs")

-- A UnitedDeployment has a template of one of these kinds of workloads.
local function template(desiredObj)
  local templates = desiredObj.spec.template or {}
  for _, kind in ipairs({ "statefulSetTemplate", "advancedStatefulSetTemplate", "cloneSetTemplate", "deploymentTemplate" }) do
    if templates[kind] ~= nil then
      return templates[kind].spec
    end
  end
  return {}
end

function GetReplicas(desiredObj)
  local pod = template(desiredObj).template
  if pod == nil then
    return desiredObj.spec.replicas or 1, nil
  end
  return desiredObj.spec.replicas or 1, kube.accuratePodRequirements(pod)
end

function ReviseReplica(desiredObj, desiredReplica)
  desiredObj.spec.replicas = desiredReplica
  return desiredObj
end

function ReflectStatus(observedObj)
  return status.report(observedObj, {
    "observedGeneration", "replicas", "readyReplicas", "updatedReplicas", "updatedReadyReplicas", "reservedPods", "subsetReplicas",
    "currentRevision", "conditions",
  })
end

function AggregateStatus(desiredObj, statusItems)
  return status.aggregate(desiredObj, statusItems, {
    observedGeneration = true, conditions = true,
    sum = { "replicas", "readyReplicas", "updatedReplicas", "updatedReadyReplicas", "reservedPods", "subsetReplicas" },
    shared = { "currentRevision" },
  })
end

function InterpretHealth(observedObj)
  if not status.current(observedObj) then
    return false
  end
  local have, wanted = observedObj.status, observedObj.spec.replicas or 1
  return (have.updatedReplicas or 0) >= wanted and (have.updatedReadyReplicas or have.readyReplicas or 0) >= wanted
end

function GetDependencies(desiredObj)
  local found = needs.of(desiredObj)
  local spec = template(desiredObj)
  found.pod(spec.template, needs.claims(spec.volumeClaimTemplates))
  return found.list
end
