local status = require("status")
local needs = require("needs")

-- Flux is suspended and resumed where it runs.
function Retain(desiredObj, observedObj)
  if observedObj.spec.suspend ~= nil then
    desiredObj.spec.suspend = observedObj.spec.suspend
  end
  return desiredObj
end

function ReflectStatus(observedObj)
  return status.report(observedObj, {
    "observedGeneration", "conditions", "artifact", "url", "observedChartName", "observedSourceArtifactRevision",
  })
end

function AggregateStatus(desiredObj, statusItems)
  return status.aggregate(desiredObj, statusItems, {
    observedGeneration = true, conditions = true,
    shared = { "url", "observedChartName", "observedSourceArtifactRevision" },
  })
end

function InterpretHealth(observedObj)
  return status.current(observedObj) and status.holds(observedObj.status, "Ready")
end

function GetDependencies(desiredObj)
  local spec, found = desiredObj.spec, needs.of(desiredObj)
  found.secretIn((spec.verify or {}).secretRef)
  return found.list
end
