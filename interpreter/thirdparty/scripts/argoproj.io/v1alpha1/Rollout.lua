local kube = require("kube")
local status = require("status")
local needs = require("needs")

-- A Rollout that points to a workload has its pod template there, out of sight.
function GetReplicas(desiredObj)
  if desiredObj.spec.template == nil then
    return desiredObj.spec.replicas or 1, nil
  end
  return desiredObj.spec.replicas or 1, kube.accuratePodRequirements(desiredObj.spec.template)
end

function ReviseReplica(desiredObj, desiredReplica)
  desiredObj.spec.replicas = desiredReplica
  return desiredObj
end

-- An autoscaler in the member scales what carries the label, and a promotion by hand in the member lifts the pause.
function Retain(desiredObj, observedObj)
  local labels = desiredObj.metadata.labels or {}
  if labels["resourcetemplate.karmada.io/retain-replicas"] == "true" then
    desiredObj.spec.replicas = observedObj.spec.replicas
  end
  if desiredObj.spec.paused == nil then
    desiredObj.spec.paused = observedObj.spec.paused
  end
  return desiredObj
end

-- Rollouts write their generation as text.
local function current(observedObj)
  local observed, generation = tonumber((observedObj.status or {}).observedGeneration), observedObj.metadata.generation
  return observed == nil or generation == nil or observed >= generation
end

function ReflectStatus(observedObj)
  local report = status.report(observedObj, {
    "observedGeneration", "replicas", "readyReplicas", "availableReplicas", "updatedReplicas", "phase", "message", "conditions",
    "currentPodHash", "stableRS", "selector", "HPAReplicas",
  })
  if report ~= nil then
    report.observedGeneration = tonumber(report.observedGeneration)
  end
  return report
end

function AggregateStatus(desiredObj, statusItems)
  local aggregated = status.aggregate(desiredObj, statusItems, {
    observedGeneration = true, conditions = true,
    sum = { "replicas", "readyReplicas", "availableReplicas", "updatedReplicas", "HPAReplicas" },
    worst = { phase = { "Degraded", "Paused", "Progressing", "Healthy" } },
    shared = { "message", "currentPodHash", "stableRS", "selector" },
  })
  local have = aggregated.status
  if have ~= nil and have.observedGeneration ~= nil then
    have.observedGeneration = tostring(have.observedGeneration)
  end
  return aggregated
end

-- A canary that waits at a step is as its author wants it.
function InterpretHealth(observedObj)
  local have, wanted = observedObj.status or {}, observedObj.spec.replicas or 1
  if have.phase == nil or not current(observedObj) then
    return false
  end
  return (have.phase == "Healthy" or have.phase == "Paused") and (have.availableReplicas or 0) >= wanted
end

function GetDependencies(desiredObj)
  local found = needs.of(desiredObj)
  found.pod(desiredObj.spec.template)
  return found.list
end
