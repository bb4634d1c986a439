local status = require("status")
local parts = require("parts")
local needs = require("needs")

local counters = { "pending", "running", "succeeded", "failed", "terminating", "unknown", "minAvailable", "retryCount" }

function GetComponents(desiredObj)
  local list = {}
  for i, task in ipairs(desiredObj.spec.tasks or {}) do
    -- Volcano names a task without a name by its place, from zero on.
    list[i] = parts.of(task.name or ("default" .. (i - 1)), task.replicas or 1, task.template)
  end
  return list
end

function ReflectStatus(observedObj)
  return status.report(observedObj, {
    "state", "pending", "running", "succeeded", "failed", "terminating", "unknown", "minAvailable", "retryCount", "version",
    "taskStatusCount", "conditions", "runningDuration",
  })
end

local phases = {
  "Failed", "Aborted", "Terminated", "Aborting", "Terminating", "Restarting", "Completing", "Pending", "Running", "Completed",
}

-- state is that of the cluster which is worst off.
local function state(items)
  local place, worst = {}, nil
  for i, phase in ipairs(phases) do
    place[phase] = i
  end
  for _, item in ipairs(items) do
    local have = (item.status or {}).state
    if have ~= nil and (worst == nil or (place[have.phase] or 99) < (place[worst.phase] or 99)) then
      worst = have
    end
  end
  return worst
end

-- A condition of a Volcano job is a phase it has passed; clusters pass them on their own, so they are all kept.
function AggregateStatus(desiredObj, statusItems)
  local aggregated = status.aggregate(desiredObj, statusItems, {
    sum = counters, join = { "conditions" }, most = { "version" },
  })
  if statusItems ~= nil then
    local tasks = {}
    for _, item in ipairs(statusItems) do
      for name, task in pairs((item.status or {}).taskStatusCount or {}) do
        tasks[name] = tasks[name] or { phase = {} }
        for phase, count in pairs(task.phase or {}) do
          tasks[name].phase[phase] = (tasks[name].phase[phase] or 0) + count
        end
      end
    end
    if next(tasks) ~= nil then
      aggregated.status.taskStatusCount = tasks
    end
    aggregated.status.state = state(statusItems)
  end
  return aggregated
end

local lost = { Failed = true, Aborted = true, Aborting = true, Terminated = true, Terminating = true }

function InterpretHealth(observedObj)
  local phase = ((observedObj.status or {}).state or {}).phase
  return phase ~= nil and phase ~= "" and not lost[phase]
end

function GetDependencies(desiredObj)
  local found = needs.of(desiredObj)
  for _, task in ipairs(desiredObj.spec.tasks or {}) do
    found.pod(task.template)
  end
  return found.list
end
