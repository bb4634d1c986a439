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
    "observedGeneration", "conditions", "helmChart", "lastAttemptedGeneration", "lastAttemptedRevision",
    "lastAttemptedConfigDigest", "lastAttemptedReleaseAction", "failures", "installFailures", "upgradeFailures",
    "history",
  })
end

function AggregateStatus(desiredObj, statusItems)
  return status.aggregate(desiredObj, statusItems, {
    observedGeneration = true, conditions = true,
    shared = { "helmChart", "lastAttemptedRevision", "lastAttemptedConfigDigest", "lastAttemptedReleaseAction" },
  })
end

function InterpretHealth(observedObj)
  return status.current(observedObj) and status.holds(observedObj.status, "Ready")
end

function GetDependencies(desiredObj)
  local spec, found = desiredObj.spec, needs.of(desiredObj)
  found.sources(spec.valuesFrom)
  found.secretIn((spec.kubeConfig or {}).secretRef)
  found.serviceAccount(spec.serviceAccountName)
  return found.list
end
