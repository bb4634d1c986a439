-- status sums up what clusters report, and reads conditions.
local status = {}

-- generations adds to a report which generation of the template, and of the member object, it is about.
local function generations(observedObj, report)
  report.generation = observedObj.metadata.generation
  local annotations = observedObj.metadata.annotations or {}
  report.resourceTemplateGeneration = tonumber(annotations["resourcetemplate.karmada.io/generation"])
end

-- report picks fields of the status of a member object.
function status.report(observedObj, fields)
  local have = observedObj.status
  if have == nil then
    return nil
  end
  local report = {}
  for _, field in ipairs(fields) do
    report[field] = have[field]
  end
  if report.observedGeneration ~= nil then
    generations(observedObj, report)
  end
  return report
end

-- current tells whether the controller in the member has seen the member object as it is.
function status.current(observedObj)
  local have = observedObj.status
  local generation = observedObj.metadata.generation
  return have ~= nil and (generation == nil or tonumber(have.observedGeneration) == generation)
end

-- condition finds the condition of a type.
function status.condition(have, kind)
  for _, condition in ipairs((have or {}).conditions or {}) do
    if condition.type == kind then
      return condition
    end
  end
  return nil
end

-- holds tells whether the condition of a type is true.
function status.holds(have, kind)
  local condition = status.condition(have, kind)
  return condition ~= nil and condition.status == "True"
end

-- seen tells whether every cluster has seen this template, or a later one.
local function seen(desiredObj, items)
  local generation = desiredObj.metadata.generation
  if generation == nil then
    return false
  end
  for _, item in ipairs(items) do
    local have = item.status or {}
    if (have.resourceTemplateGeneration or 0) < generation or tonumber(have.observedGeneration) ~= have.generation then
      return false
    end
  end
  return true
end

local function addTo(sum, value)
  if type(value) == "table" then
    sum = sum or {}
    for key, inner in pairs(value) do
      if type(inner) == "number" or type(inner) == "table" then
        sum[key] = addTo(sum[key], inner)
      end
    end
    return sum
  end
  return (sum or 0) + value
end

local function sums(items, fields)
  local sum = {}
  for _, item in ipairs(items) do
    for _, field in ipairs(fields) do
      local value = (item.status or {})[field]
      if value ~= nil then
        sum[field] = addTo(sum[field], value)
      end
    end
  end
  return sum
end

-- best is the one value of a field that comes first by an order.
local function best(items, field, before)
  local found
  for _, item in ipairs(items) do
    local value = (item.status or {})[field]
    if value ~= nil and (found == nil or before(value, found)) then
      found = value
    end
  end
  return found
end

local function places(list)
  local place = {}
  for i, value in ipairs(list) do
    place[value] = i
  end
  return place
end

-- worst is the value that stands first in a list; values outside of the list come after all in it.
local function worst(items, field, list)
  local place = places(list)
  return best(items, field, function(a, b)
    return (place[a] or #list + 1) < (place[b] or #list + 1)
  end)
end

-- shared is a value that all clusters report, nil where they differ.
local function shared(items, field)
  local value
  for _, item in ipairs(items) do
    local reported = (item.status or {})[field]
    if reported ~= nil and type(reported) ~= "table" then
      if value ~= nil and value ~= reported then
        return nil
      end
      value = reported
    end
  end
  return value
end

-- These conditions hold for all as soon as they hold in one cluster. Others hold when they do in every cluster.
local negative = {
  Failed = true, Restarting = true, Suspended = true, Stalled = true, Reconciling = true, Degraded = true, Created = true,
  Paused = true, StorageOperationFailed = true, FetchFailed = true, ReplicaFailure = true, FailedScale = true, FailedUpdate = true,
}

-- At most so many clusters have their message in a condition, and at most so much of it.
local shownClusters, shownBytes = 5, 1024

-- decides tells whether a condition with one status stands for all rather than one with another.
local function decides(kind, a, b)
  local order = negative[kind] and { "True", "Unknown", "False" } or { "False", "Unknown", "True" }
  local place = places(order)
  return (place[a] or 4) < (place[b] or 4)
end

-- gather has for each type the deciding status and the clusters that say it, and how many clusters speak of it at all.
local function gather(items)
  local kinds, merged = {}, {}
  for _, item in ipairs(items) do
    for _, condition in ipairs((item.status or {}).conditions or {}) do
      local kind, one = condition.type, merged[condition.type]
      if one == nil then
        one = { count = 0 }
        merged[kind] = one
        kinds[#kinds + 1] = kind
      end
      one.count = one.count + 1
      if one.status == nil or decides(kind, condition.status, one.status) then
        one.status, one.reason, one.clusters = condition.status, condition.reason, {}
      end
      if condition.status == one.status then
        table.insert(one.clusters, { name = item.clusterName, message = condition.message })
      end
      local changed = condition.lastTransitionTime
      if changed ~= nil and (one.changed == nil or changed > one.changed) then
        one.changed = changed
      end
    end
  end
  return kinds, merged
end

local function message(clusters)
  local parts = {}
  for i, cluster in ipairs(clusters) do
    if i > shownClusters then
      parts[i] = "and " .. (#clusters - shownClusters) .. " more"
      break
    end
    parts[i] = cluster.name
    if cluster.message ~= nil and cluster.message ~= "" then
      parts[i] = cluster.name .. "=" .. string.sub(cluster.message, 1, shownBytes)
    end
  end
  return table.concat(parts, ", ")
end

-- conditions are one of each type, which says how the clusters are that decide it. What is true where it is told, and not told
-- everywhere, is not known of all.
function status.conditions(items)
  local kinds, merged = gather(items)
  local list = {}
  for i, kind in ipairs(kinds) do
    local one = merged[kind]
    list[i] = {
      type = kind, status = one.status, reason = one.reason, message = message(one.clusters), lastTransitionTime = one.changed,
    }
    if one.status == "True" and not negative[kind] and one.count < #items then
      list[i].status = "Unknown"
      list[i].message = list[i].message .. "; reported by " .. one.count .. " of " .. #items .. " clusters"
    end
  end
  return list
end

-- aggregate writes the status of a template. The rules name fields:
--   sum     numbers, or tables of numbers, that add up
--   most    the largest number, or the last time
--   least   the smallest number, or the first time
--   shared  values that are kept where all clusters report the same
--   worst   for a field the list of its values, the worst first
--   join    lists that are put after one another
-- conditions = true puts conditions together, and observedGeneration = true tells when all clusters have seen the template.
function status.aggregate(desiredObj, items, rules)
  if items == nil then
    return desiredObj
  end
  local old = desiredObj.status or {}
  local new = sums(items, rules.sum or {})
  for _, field in ipairs(rules.most or {}) do
    new[field] = best(items, field, function(a, b) return a > b end)
  end
  for _, field in ipairs(rules.least or {}) do
    new[field] = best(items, field, function(a, b) return a < b end)
  end
  for _, field in ipairs(rules.shared or {}) do
    new[field] = shared(items, field)
  end
  for field, list in pairs(rules.worst or {}) do
    new[field] = worst(items, field, list)
  end
  for _, field in ipairs(rules.join or {}) do
    for _, item in ipairs(items) do
      for _, value in ipairs((item.status or {})[field] or {}) do
        new[field] = new[field] or {}
        table.insert(new[field], value)
      end
    end
  end
  if rules.conditions then
    new.conditions = status.conditions(items)
  end
  if rules.observedGeneration then
    new.observedGeneration = old.observedGeneration
    if seen(desiredObj, items) then
      new.observedGeneration = desiredObj.metadata.generation
    end
  end
  desiredObj.status = new
  return desiredObj
end

return status
