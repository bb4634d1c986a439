local status = require("status")
local parts = require("parts")
local needs = require("needs")

-- A job that picks a running cluster by labels brings no pods but its submitter's.
function GetComponents(desiredObj)
  local list = {}
  if desiredObj.spec.rayClusterSpec ~= nil then
    list = parts.ray(desiredObj.spec.rayClusterSpec)
  end
  if desiredObj.spec.submitterPodTemplate ~= nil then
    table.insert(list, parts.of("submitter", 1, desiredObj.spec.submitterPodTemplate))
  end
  return list
end

function ReflectStatus(observedObj)
  return status.report(observedObj, {
    "observedGeneration", "jobId", "jobStatus", "jobDeploymentStatus", "reason", "message", "rayClusterName", "dashboardURL",
    "startTime", "endTime", "succeeded", "failed",
  })
end

function AggregateStatus(desiredObj, statusItems)
  return status.aggregate(desiredObj, statusItems, {
    observedGeneration = true, sum = { "succeeded", "failed" }, least = { "startTime" }, most = { "endTime" },
    shared = { "jobId", "reason", "message", "rayClusterName", "dashboardURL" },
    worst = {
      jobStatus = { "FAILED", "STOPPED", "PENDING", "RUNNING", "SUCCEEDED" },
      jobDeploymentStatus = {
        "Failed", "Retrying", "Suspending", "Suspended", "Waiting", "Initializing", "Running", "Complete",
      },
    },
  })
end

function InterpretHealth(observedObj)
  local have = observedObj.status or {}
  if have.jobStatus == "FAILED" or have.jobStatus == "STOPPED" or have.jobDeploymentStatus == "Failed" then
    return false
  end
  return have.jobDeploymentStatus ~= nil and have.jobDeploymentStatus ~= ""
end

function GetDependencies(desiredObj)
  local found, cluster = needs.of(desiredObj), desiredObj.spec.rayClusterSpec or {}
  found.pod((cluster.headGroupSpec or {}).template)
  for _, group in ipairs(cluster.workerGroupSpecs or {}) do
    found.pod(group.template)
  end
  found.pod(desiredObj.spec.submitterPodTemplate)
  return found.list
end
