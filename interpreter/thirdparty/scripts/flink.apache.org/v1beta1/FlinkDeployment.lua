local kube = require("kube")
local status = require("status")
local parts = require("parts")

local units = { b = "", k = "Ki", kb = "Ki", m = "Mi", mb = "Mi", g = "Gi", gb = "Gi", t = "Ti", tb = "Ti" }

-- memory is an amount of Flink, in which "2048m" are mebibytes; amounts of Kubernetes such as 2Gi are taken as they are.
local function memory(amount)
  if amount == nil then
    return nil
  end
  local number, unit = string.match(tostring(amount), "^%s*(%d+)%s*(%a*)%s*$")
  if number ~= nil and units[unit] ~= nil then
    return number .. units[unit]
  end
  return tostring(amount)
end

-- podOf is a pod template with the amounts of a manager in its main container.
local function podOf(desiredObj, manager)
  local template = manager.podTemplate or desiredObj.spec.podTemplate or {}
  local spec = template.spec or {}
  local others = {}
  for _, container in ipairs(spec.containers or {}) do
    if container.name ~= "flink-main-container" then
      table.insert(others, container)
    end
  end
  local resource = manager.resource or {}
  local requests = { memory = memory(resource.memory), ["ephemeral-storage"] = memory(resource.ephemeralStorage) }
  if resource.cpu ~= nil then
    requests.cpu = tostring(resource.cpu)
  end
  table.insert(others, { name = "flink-main-container", resources = { requests = requests } })
  return { spec = {
    containers = others, initContainers = spec.initContainers, nodeSelector = spec.nodeSelector, tolerations = spec.tolerations,
    affinity = spec.affinity, overhead = spec.overhead,
  } }
end

-- taskManagers is their number: given, or as many as offer a slot to each parallel task.
local function taskManagers(desiredObj)
  local spec = desiredObj.spec
  local given = (spec.taskManager or {}).replicas
  if given ~= nil then
    return given
  end
  local slots = tonumber((spec.flinkConfiguration or {})["taskmanager.numberOfTaskSlots"]) or 1
  local parallelism = (spec.job or {}).parallelism or 1
  return math.ceil(parallelism / math.max(slots, 1))
end

local function managers(desiredObj)
  local job, task = desiredObj.spec.jobManager or {}, desiredObj.spec.taskManager or {}
  return {
    parts.of("jobmanager", job.replicas or 1, podOf(desiredObj, job)),
    parts.of("taskmanager", taskManagers(desiredObj), podOf(desiredObj, task)),
  }
end

-- By replicas alone each pod is taken to be as large as the largest.
function GetReplicas(desiredObj)
  local list = managers(desiredObj)
  return parts.count(list), parts.largest(list)
end

function GetComponents(desiredObj)
  return managers(desiredObj)
end

function ReflectStatus(observedObj)
  return status.report(observedObj, {
    "observedGeneration", "clusterInfo", "jobManagerDeploymentStatus", "jobStatus", "lifecycleState", "error", "taskManager",
    "reconciliationStatus",
  })
end

-- A deployment of Flink is one job: where several clusters run it, each field is told as long as it is the same in all.
function AggregateStatus(desiredObj, statusItems)
  local aggregated = status.aggregate(desiredObj, statusItems, {
    observedGeneration = true, shared = { "error" },
    worst = {
      jobManagerDeploymentStatus = { "ERROR", "MISSING", "DEPLOYING", "DEPLOYED_NOT_READY", "READY" },
      lifecycleState = { "FAILED", "ROLLING_BACK", "ROLLED_BACK", "SUSPENDED", "CREATED", "UPGRADING", "DEPLOYED", "STABLE" },
    },
  })
  local reports = {}
  for _, item in ipairs(statusItems or {}) do
    if item.status ~= nil then
      table.insert(reports, item.status)
    end
  end
  if #reports == 1 then
    for _, field in ipairs({ "clusterInfo", "jobStatus", "taskManager", "reconciliationStatus" }) do
      aggregated.status[field] = reports[1][field]
    end
  end
  return aggregated
end

-- A session cluster has no job of its own.
function InterpretHealth(observedObj)
  local have = observedObj.status or {}
  if not status.current(observedObj) or have.lifecycleState == "FAILED" then
    return false
  end
  if observedObj.spec.job == nil then
    return have.jobManagerDeploymentStatus == "READY"
  end
  local state = (have.jobStatus or {}).state
  return state == "RUNNING" or state == "FINISHED"
end
