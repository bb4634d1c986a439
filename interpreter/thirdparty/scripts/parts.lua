-- parts makes components of workloads that have several pod templates.
local kube = require("kube")
local parts = {}

-- of is a component with the requirements of a pod template, which may be missing.
function parts.of(name, replicas, template)
  local part = { name = name, replicas = replicas }
  if template ~= nil then
    part.replicaRequirements = kube.accuratePodRequirements(template)
  end
  return part
end

-- specs makes a component of each entry of a table such as {Worker = {replicas = 2, template = ...}}.
function parts.specs(specs)
  local names = {}
  for name in pairs(specs or {}) do
    table.insert(names, name)
  end
  table.sort(names)
  local list = {}
  for i, name in ipairs(names) do
    list[i] = parts.of(string.lower(name), specs[name].replicas or 1, specs[name].template)
  end
  return list
end

-- ray makes components of the head and the worker groups of a cluster.
function parts.ray(cluster)
  cluster = cluster or {}
  local list = { parts.of("head", 1, (cluster.headGroupSpec or {}).template) }
  for i, group in ipairs(cluster.workerGroupSpecs or {}) do
    list[i + 1] = parts.of(group.groupName or ("worker-" .. i), parts.workers(group), group.template)
  end
  return list
end

-- workers is the number of pods of a Ray worker group.
function parts.workers(group)
  if group.suspend then
    return 0
  end
  return (group.replicas or group.minReplicas or 0) * (group.numOfHosts or 1)
end

-- largest is what a node must offer to the largest of several pods, amount by amount.
function parts.largest(list)
  local request = {}
  for _, part in ipairs(list) do
    for name, amount in pairs((part.replicaRequirements or {}).resourceRequest or {}) do
      if request[name] == nil or kube.getResourceQuantity(amount) > kube.getResourceQuantity(request[name]) then
        request[name] = amount
      end
    end
  end
  if next(request) == nil then
    return nil
  end
  return { resourceRequest = request }
end

-- count is the number of pods of all components.
function parts.count(list)
  local count = 0
  for _, part in ipairs(list) do
    count = count + part.replicas
  end
  return count
end

return parts
