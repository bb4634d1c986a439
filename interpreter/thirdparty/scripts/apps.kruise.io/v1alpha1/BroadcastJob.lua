local kube = require("kube")
local status = require("status")
local needs = require("needs")

-- Without a number in parallelism the job runs on every node of the cluster, however many these are.
function GetReplicas(desiredObj)
  local replicas = desiredObj.spec.parallelism
  if type(replicas) ~= "number" then
    replicas = 1
  end
  return replicas, kube.accuratePodRequirements(desiredObj.spec.template)
end

function ReviseReplica(desiredObj, desiredReplica)
  if type(desiredObj.spec.parallelism) == "number" then
    desiredObj.spec.parallelism = desiredReplica
  end
  return desiredObj
end

-- The member marks the pods of its job.
function Retain(desiredObj, observedObj)
  local observed = (observedObj.spec.template.metadata or {}).labels or {}
  for _, label in ipairs({ "broadcastjob-name", "broadcastjob-controller-uid" }) do
    if observed[label] ~= nil then
      local template = desiredObj.spec.template
      template.metadata = template.metadata or {}
      template.metadata.labels = template.metadata.labels or {}
      template.metadata.labels[label] = observed[label]
    end
  end
  return desiredObj
end

function ReflectStatus(observedObj)
  return status.report(observedObj, {
    "active", "succeeded", "failed", "desired", "phase", "conditions", "startTime", "completionTime",
  })
end

function AggregateStatus(desiredObj, statusItems)
  return status.aggregate(desiredObj, statusItems, {
    conditions = true, sum = { "active", "succeeded", "failed", "desired" }, least = { "startTime" }, most = { "completionTime" },
    worst = { phase = { "failed", "paused", "running", "completed" } },
  })
end

function InterpretHealth(observedObj)
  local have = observedObj.status or {}
  return have.phase ~= nil and have.phase ~= "failed" and not status.holds(have, "Failed")
end

function GetDependencies(desiredObj)
  local found = needs.of(desiredObj)
  found.pod(desiredObj.spec.template)
  return found.list
end
