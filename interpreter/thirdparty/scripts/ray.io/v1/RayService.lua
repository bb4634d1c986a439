local status = require("status")
local parts = require("parts")
local needs = require("needs")

local function groups(desiredObj)
  return (desiredObj.spec.rayClusterConfig or {}).workerGroupSpecs or {}
end

-- The replicas of a service are its workers; every cluster has a head besides.
function GetReplicas(desiredObj)
  local list = {}
  for i, group in ipairs(groups(desiredObj)) do
    list[i] = parts.of(group.groupName or "", parts.workers(group), group.template)
  end
  return parts.count(list), parts.largest(list)
end

-- Groups shrink and grow in proportion. What is left over by rounding goes to the first of them.
function ReviseReplica(desiredObj, desiredReplica)
  local list = groups(desiredObj)
  local total = 0
  for _, group in ipairs(list) do
    total = total + parts.workers(group)
  end
  local left = desiredReplica
  for i, group in ipairs(list) do
    local share = desiredReplica
    if total > 0 then
      share = math.floor(desiredReplica * parts.workers(group) / total)
    elseif i > 1 then
      share = 0
    end
    left = left - share
    group.replicas = math.floor(share / (group.numOfHosts or 1))
  end
  for _, group in ipairs(list) do
    if left > 0 and not group.suspend and (group.numOfHosts or 1) == 1 then
      group.replicas = group.replicas + left
      left = 0
    end
    group.minReplicas = group.minReplicas and math.min(group.minReplicas, group.replicas)
    group.maxReplicas = group.maxReplicas and math.max(group.maxReplicas, group.replicas)
  end
  return desiredObj
end

function ReflectStatus(observedObj)
  return status.report(observedObj, {
    "observedGeneration", "serviceStatus", "numServeEndpoints", "conditions", "lastUpdateTime", "activeServiceStatus",
    "pendingServiceStatus",
  })
end

function AggregateStatus(desiredObj, statusItems)
  return status.aggregate(desiredObj, statusItems, {
    observedGeneration = true, conditions = true, sum = { "numServeEndpoints" }, most = { "lastUpdateTime" },
    worst = { serviceStatus = { "FailedToGetServeDeploymentStatus", "WaitForServeDeploymentReady", "Restarting", "", "Running" } },
  })
end

function InterpretHealth(observedObj)
  local have = observedObj.status or {}
  return status.current(observedObj) and (status.holds(have, "Ready") or have.serviceStatus == "Running")
end

function GetDependencies(desiredObj)
  local found, cluster = needs.of(desiredObj), desiredObj.spec.rayClusterConfig or {}
  found.pod((cluster.headGroupSpec or {}).template)
  for _, group in ipairs(groups(desiredObj)) do
    found.pod(group.template)
  end
  return found.list
end
