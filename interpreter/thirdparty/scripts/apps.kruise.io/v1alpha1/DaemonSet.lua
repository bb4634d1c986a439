local status = require("status")
local needs = require("needs")

local counters = {
  "currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady", "updatedNumberScheduled",
  "numberAvailable", "numberUnavailable",
}

function ReflectStatus(observedObj)
  local fields = { "observedGeneration", "daemonSetHash" }
  for _, counter in ipairs(counters) do
    table.insert(fields, counter)
  end
  return status.report(observedObj, fields)
end

function AggregateStatus(desiredObj, statusItems)
  return status.aggregate(desiredObj, statusItems, {
    observedGeneration = true, sum = counters, shared = { "daemonSetHash" },
  })
end

function InterpretHealth(observedObj)
  if not status.current(observedObj) then
    return false
  end
  local have = observedObj.status
  local rolling = (observedObj.spec.updateStrategy or {}).rollingUpdate or {}
  local updated = (have.desiredNumberScheduled or 0) - (tonumber(rolling.partition) or 0)
  return (have.updatedNumberScheduled or 0) >= updated and (have.numberAvailable or 0) >= (have.desiredNumberScheduled or 0)
end

function GetDependencies(desiredObj)
  local found = needs.of(desiredObj)
  found.pod(desiredObj.spec.template)
  return found.list
end
