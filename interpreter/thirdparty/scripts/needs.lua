-- needs collects references to objects of one namespace, each once.
local kube = require("kube")
local needs = {}

function needs.of(desiredObj)
  local namespace = desiredObj.metadata.namespace or "default"
  local list, known = {}, {}
  local found = { list = list }

  local function add(reference)
    local key = reference.kind .. "/" .. (reference.name or "")
    if not known[key] then
      known[key] = true
      table.insert(list, reference)
    end
  end

  local function named(kind, name)
    if name ~= nil and name ~= "" then
      add({ apiVersion = "v1", kind = kind, namespace = namespace, name = name })
    end
  end

  function found.secret(name) named("Secret", name) end
  function found.configMap(name) named("ConfigMap", name) end

  -- secretIn takes a field such as secretRef, which names a secret.
  function found.secretIn(field) named("Secret", (field or {}).name) end

  function found.serviceAccount(name)
    if name ~= "default" then
      named("ServiceAccount", name)
    end
  end

  -- sources takes a list of {kind, name}, as in valuesFrom.
  function found.sources(sources)
    for _, source in ipairs(sources or {}) do
      if source.kind == "Secret" or source.kind == "ConfigMap" then
        named(source.kind, source.name)
      end
    end
  end

  -- pod takes a pod template; claims are the names of claims that the member makes by itself.
  function found.pod(template, claims)
    if template == nil then
      return
    end
    for _, reference in ipairs(kube.getPodDependencies(template, namespace)) do
      if not (reference.kind == "PersistentVolumeClaim" and (claims or {})[reference.name]) then
        add(reference)
      end
    end
  end

  return found
end

-- claims are the names of the claim templates of a workload, as a set.
function needs.claims(templates)
  local names = {}
  for _, template in ipairs(templates or {}) do
    if template.metadata ~= nil and template.metadata.name ~= nil then
      names[template.metadata.name] = true
    end
  end
  return names
end

return needs
