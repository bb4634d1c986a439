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
    "observedGeneration", "conditions", "lastAppliedRevision", "lastAttemptedRevision",
  })
end

function AggregateStatus(desiredObj, statusItems)
  return status.aggregate(desiredObj, statusItems, {
    observedGeneration = true, conditions = true,
    shared = { "lastAppliedRevision", "lastAttemptedRevision" },
  })
end

function InterpretHealth(observedObj)
  return status.current(observedObj) and status.holds(observedObj.status, "Ready")
end

function GetDependencies(desiredObj)
  local spec, found = desiredObj.spec, needs.of(desiredObj)
  found.secretIn((spec.decryption or {}).secretRef)
  found.secretIn((spec.kubeConfig or {}).secretRef)
  found.serviceAccount(spec.serviceAccountName)
  found.sources((spec.postBuild or {}).substituteFrom)
  return found.list
end
