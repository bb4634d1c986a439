local kube = require("kube")
local status = require("status")
local needs = require("needs")

-- A Notebook is one pod.
function GetReplicas(desiredObj)
  return 1, kube.accuratePodRequirements(desiredObj.spec.template)
end

function ReflectStatus(observedObj)
  return status.report(observedObj, { "conditions", "readyReplicas", "containerState" })
end

function AggregateStatus(desiredObj, statusItems)
  local aggregated = status.aggregate(desiredObj, statusItems, { conditions = true, sum = { "readyReplicas" } })
  for _, item in ipairs(statusItems or {}) do
    aggregated.status.containerState = aggregated.status.containerState or (item.status or {}).containerState
  end
  return aggregated
end

function InterpretHealth(observedObj)
  return ((observedObj.status or {}).readyReplicas or 0) >= 1
end

function GetDependencies(desiredObj)
  local found = needs.of(desiredObj)
  found.pod(desiredObj.spec.template)
  return found.list
end
