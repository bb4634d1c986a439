local status = require("status")
local parts = require("parts")
local needs = require("needs")

function GetComponents(desiredObj)
  return parts.ray(desiredObj.spec)
end

function ReflectStatus(observedObj)
  return status.report(observedObj, {
    "observedGeneration", "state", "reason", "conditions", "availableWorkerReplicas", "readyWorkerReplicas", "desiredWorkerReplicas",
    "minWorkerReplicas", "maxWorkerReplicas", "desiredCPU", "desiredMemory", "desiredGPU", "desiredTPU", "lastUpdateTime", "head",
    "endpoints",
  })
end

function AggregateStatus(desiredObj, statusItems)
  local aggregated = status.aggregate(desiredObj, statusItems, {
    observedGeneration = true, conditions = true, most = { "lastUpdateTime" }, shared = { "reason" },
    sum = {
      "availableWorkerReplicas", "readyWorkerReplicas", "desiredWorkerReplicas", "minWorkerReplicas", "maxWorkerReplicas",
    },
    worst = { state = { "failed", "suspended", "ready" } },
  })
  local kube = require("kube")
  for _, amount in ipairs({ "desiredCPU", "desiredMemory", "desiredGPU", "desiredTPU" }) do
    for _, item in ipairs(statusItems or {}) do
      local one = (item.status or {})[amount]
      if one ~= nil then
        aggregated.status[amount] = kube.resourceAdd(aggregated.status[amount], one)
      end
    end
  end
  return aggregated
end

-- Newer versions say so in conditions, older ones in state.
function InterpretHealth(observedObj)
  local have = observedObj.status or {}
  if not status.current(observedObj) then
    return false
  end
  return have.state == "ready" or status.holds(have, "HeadPodReady") and status.holds(have, "RayClusterProvisioned")
end

function GetDependencies(desiredObj)
  local found = needs.of(desiredObj)
  found.pod((desiredObj.spec.headGroupSpec or {}).template)
  for _, group in ipairs(desiredObj.spec.workerGroupSpecs or {}) do
    found.pod(group.template)
  end
  return found.list
end
