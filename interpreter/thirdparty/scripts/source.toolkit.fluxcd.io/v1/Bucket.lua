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
    "observedGeneration", "conditions", "artifact", "url", "observedIgnore",
  })
end

function AggregateStatus(desiredObj, statusItems)
  return status.aggregate(desiredObj, statusItems, {
    observedGeneration = true, conditions = true,
    shared = { "url" },
  })
end

function InterpretHealth(observedObj)
  return status.current(observedObj) and status.holds(observedObj.status, "Ready")
end

function GetDependencies(desiredObj)
  local spec, found = desiredObj.spec, needs.of(desiredObj)
  found.secretIn(spec.secretRef)
  found.secretIn(spec.certSecretRef)
  found.secretIn(spec.proxySecretRef)
  return found.list
end
