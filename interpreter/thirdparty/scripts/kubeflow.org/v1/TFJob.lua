local status = require("status")
local parts = require("parts")
local needs = require("needs")

function GetComponents(desiredObj)
  return parts.specs(desiredObj.spec.tfReplicaSpecs)
end

function ReflectStatus(observedObj)
  return status.report(observedObj, {
    "conditions", "replicaStatuses", "startTime", "completionTime", "lastReconcileTime",
  })
end

function AggregateStatus(desiredObj, statusItems)
  return status.aggregate(desiredObj, statusItems, {
    conditions = true, sum = { "replicaStatuses" }, least = { "startTime" }, most = { "completionTime", "lastReconcileTime" },
  })
end

function InterpretHealth(observedObj)
  return observedObj.status ~= nil and not status.holds(observedObj.status, "Failed")
end

function GetDependencies(desiredObj)
  local found = needs.of(desiredObj)
  for _, replica in pairs(desiredObj.spec.tfReplicaSpecs or {}) do
    found.pod(replica.template)
  end
  return found.list
end
