local kube = require("kube")
local needs = require("needs")

-- The replicas of a Workflow are the pods that may run at once. Its templates ask for different amounts; the largest counts,
-- as each of them must fit.
local function requirements(desiredObj)
  local spec, request = desiredObj.spec, {}
  for _, template in ipairs(spec.templates or {}) do
    local container = template.container or template.script
    if container ~= nil then
      local asked = kube.accuratePodRequirements({ spec = { containers = { container } } })
      for name, amount in pairs((asked or {}).resourceRequest or {}) do
        if request[name] == nil or kube.getResourceQuantity(amount) > kube.getResourceQuantity(request[name]) then
          request[name] = amount
        end
      end
    end
  end
  local wanted = kube.accuratePodRequirements({ spec = {
    containers = {}, nodeSelector = spec.nodeSelector, tolerations = spec.tolerations, affinity = spec.affinity,
  } }) or {}
  if next(request) ~= nil then
    wanted.resourceRequest = request
  end
  if next(wanted) == nil then
    return nil
  end
  return wanted
end

function GetReplicas(desiredObj)
  return desiredObj.spec.parallelism or 1, requirements(desiredObj)
end

function ReviseReplica(desiredObj, desiredReplica)
  if desiredObj.spec.parallelism ~= nil then
    desiredObj.spec.parallelism = desiredReplica
  end
  return desiredObj
end

-- The status of a Workflow is no subresource, and the member suspends and resumes it.
function Retain(desiredObj, observedObj)
  desiredObj.spec.suspend = observedObj.spec.suspend
  desiredObj.status = observedObj.status
  return desiredObj
end

function InterpretHealth(observedObj)
  local phase = (observedObj.status or {}).phase
  return phase ~= nil and phase ~= "" and phase ~= "Failed" and phase ~= "Error"
end

function GetDependencies(desiredObj)
  local spec, found = desiredObj.spec, needs.of(desiredObj)
  found.serviceAccount((spec.executor or {}).serviceAccountName)
  found.pod({ spec = {
    containers = {}, serviceAccountName = spec.serviceAccountName, imagePullSecrets = spec.imagePullSecrets, volumes = spec.volumes,
  } }, needs.claims(spec.volumeClaimTemplates))
  for _, template in ipairs(spec.templates or {}) do
    local containers = {}
    for _, container in ipairs({ template.container or template.script }) do
      table.insert(containers, container)
    end
    found.pod({ spec = {
      containers = containers, initContainers = template.initContainers, serviceAccountName = template.serviceAccountName,
      volumes = template.volumes,
    } }, needs.claims(spec.volumeClaimTemplates))
  end
  for _, argument in ipairs((spec.arguments or {}).parameters or {}) do
    found.configMap((((argument.valueFrom or {}).configMapKeyRef) or {}).name)
  end
  found.configMap((((spec.synchronization or {}).semaphore or {}).configMapKeyRef or {}).name)
  return found.list
end
