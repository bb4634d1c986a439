local status = require("status")
local parts = require("parts")
local needs = require("needs")

local mebi = { k = 1 / 1024, m = 1, g = 1024, t = 1024 * 1024 }

-- mebibytes reads an amount of a JVM, such as 512m or 4g.
local function mebibytes(amount)
  local number, unit = string.match(string.lower(tostring(amount)), "^(%d+)([kmgt]?)i?b?$")
  if number == nil then
    return nil
  end
  return tonumber(number) * (mebi[unit] or 1)
end

-- memory is what the pod asks for: the heap and what Spark adds for everything else, at least 384Mi.
local function memory(spec, pod)
  local heap = mebibytes(pod.memory or "1g")
  if heap == nil then
    return nil
  end
  local native = spec.type == "Python" or spec.type == "R"
  local factor = tonumber(spec.memoryOverheadFactor) or (native and 0.4 or 0.1)
  local extra = pod.memoryOverhead and mebibytes(pod.memoryOverhead) or math.max(384, math.ceil(heap * factor))
  return math.ceil(heap + extra) .. "Mi"
end

local function podOf(spec, pod)
  local requests = { cpu = tostring(pod.coreRequest or pod.cores or 1), memory = memory(spec, pod) }
  if pod.gpu ~= nil then
    requests[pod.gpu.name] = tostring(pod.gpu.quantity)
  end
  local containers = { { name = "spark", resources = { requests = requests } } }
  for _, sidecar in ipairs(pod.sidecars or {}) do
    table.insert(containers, sidecar)
  end
  local selector = {}
  for _, source in ipairs({ spec.nodeSelector or {}, pod.nodeSelector or {} }) do
    for key, value in pairs(source) do
      selector[key] = value
    end
  end
  return { spec = {
    containers = containers, initContainers = pod.initContainers, nodeSelector = selector, tolerations = pod.tolerations,
    affinity = pod.affinity,
  } }
end

-- executors is how many there are at the start.
local function executors(spec)
  local dynamic = spec.dynamicAllocation or {}
  if dynamic.enabled then
    return math.max(dynamic.initialExecutors or 0, dynamic.minExecutors or 0, (spec.executor or {}).instances or 0)
  end
  return (spec.executor or {}).instances or 1
end

function GetComponents(desiredObj)
  local spec = desiredObj.spec
  return {
    parts.of("driver", 1, podOf(spec, spec.driver or {})),
    parts.of("executor", executors(spec), podOf(spec, spec.executor or {})),
  }
end

function ReflectStatus(observedObj)
  return status.report(observedObj, {
    "applicationState", "sparkApplicationId", "submissionID", "lastSubmissionAttemptTime", "terminationTime", "driverInfo",
    "executionAttempts", "submissionAttempts", "executorState",
  })
end

local states = {
  "FAILED", "SUBMISSION_FAILED", "FAILING", "INVALIDATING", "UNKNOWN", "PENDING_RERUN", "SUSPENDING", "SUSPENDED", "", "SUBMITTED",
  "RUNNING", "SUCCEEDING", "COMPLETED",
}

function AggregateStatus(desiredObj, statusItems)
  local aggregated = status.aggregate(desiredObj, statusItems, {
    sum = { "executionAttempts", "submissionAttempts" }, most = { "lastSubmissionAttemptTime", "terminationTime" },
    shared = { "sparkApplicationId", "submissionID" },
  })
  if statusItems == nil then
    return aggregated
  end
  local place, found, executorState = {}, nil, {}
  for i, state in ipairs(states) do
    place[state] = i
  end
  for _, item in ipairs(statusItems) do
    local have = item.status or {}
    local state = have.applicationState
    if state ~= nil and (found == nil or (place[state.state] or 99) < (place[found.state] or 99)) then
      found = state
    end
    for pod, phase in pairs(have.executorState or {}) do
      executorState[item.clusterName .. "/" .. pod] = phase
    end
    aggregated.status.driverInfo = aggregated.status.driverInfo or have.driverInfo
  end
  aggregated.status.applicationState = found
  if next(executorState) ~= nil then
    aggregated.status.executorState = executorState
  end
  return aggregated
end

local lost = { FAILED = true, SUBMISSION_FAILED = true, FAILING = true, INVALIDATING = true, UNKNOWN = true }

function InterpretHealth(observedObj)
  local state = ((observedObj.status or {}).applicationState or {}).state
  return state ~= nil and state ~= "" and not lost[state]
end

function GetDependencies(desiredObj)
  local spec, found = desiredObj.spec, needs.of(desiredObj)
  for _, secret in ipairs(spec.imagePullSecrets or {}) do
    found.secret(secret)
  end
  found.configMap(spec.sparkConfigMap)
  found.configMap(spec.hadoopConfigMap)
  for _, pod in ipairs({ spec.driver or {}, spec.executor or {} }) do
    found.serviceAccount(pod.serviceAccount)
    for _, map in ipairs(pod.configMaps or {}) do
      found.configMap(map.name)
    end
    for _, secret in ipairs(pod.secrets or {}) do
      found.secret(secret.name)
    end
    found.pod({ spec = { containers = { { name = "spark", env = pod.env, envFrom = pod.envFrom } }, volumes = spec.volumes } })
  end
  return found.list
end
