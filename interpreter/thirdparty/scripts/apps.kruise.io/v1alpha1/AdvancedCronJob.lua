local status = require("status")
local needs = require("needs")

function AggregateStatus(desiredObj, statusItems)
  return status.aggregate(desiredObj, statusItems, {
    join = { "active" }, most = { "lastScheduleTime" }, shared = { "type" },
  })
end

function GetDependencies(desiredObj)
  local found = needs.of(desiredObj)
  local templates = desiredObj.spec.template or {}
  for _, kind in ipairs({ "jobTemplate", "broadcastJobTemplate" }) do
    if templates[kind] ~= nil then
      found.pod(templates[kind].spec.template)
    end
  end
  return found.list
end
