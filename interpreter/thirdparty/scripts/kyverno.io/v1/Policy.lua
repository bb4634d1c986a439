local status = require("status")

function ReflectStatus(observedObj)
  return status.report(observedObj, { "ready", "conditions", "autogen", "rulecount", "validatingadmissionpolicy" })
end

-- Every cluster has the same rules: their number is that of one, the largest while some are behind.
local function rules(items)
  local most = {}
  for _, item in ipairs(items) do
    for kind, count in pairs((item.status or {}).rulecount or {}) do
      most[kind] = math.max(most[kind] or 0, count)
    end
  end
  return most
end

function AggregateStatus(desiredObj, statusItems)
  if statusItems == nil then
    return desiredObj
  end
  local aggregated = status.aggregate(desiredObj, statusItems, { conditions = true })
  local ready = #statusItems > 0
  for _, item in ipairs(statusItems) do
    local have = item.status or {}
    ready = ready and (have.ready == true or status.holds(have, "Ready"))
    aggregated.status.autogen = aggregated.status.autogen or have.autogen
  end
  aggregated.status.ready = ready
  aggregated.status.rulecount = rules(statusItems)
  return aggregated
end

function InterpretHealth(observedObj)
  local have = observedObj.status or {}
  return have.ready == true or status.holds(have, "Ready")
end
