#!/usr/bin/env bash
# Generates, from the types under api/, the deep copy functions and the CustomResourceDefinitions in api/crds.
# The output depends on the sources and on the generator version in go.mod alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

output=$(mktemp -d)
trap 'rm -rf "$output"' EXIT

# Groups that an aggregated API server serves: they have types but no definition.
aggregated='^api/(cluster|search)/'

generate_deepcopy() {
  go tool controller-gen object paths=./api/...
}

generate_crds() {
  local directory arguments=()
  for directory in api/*/v*/; do
    [[ $directory =~ $aggregated ]] || arguments+=("paths=./$directory")
  done
  go tool controller-gen crd "${arguments[@]}" "output:crd:dir=$output"
}

# controller-gen has no marker for conversion, and the bindings are served in two versions of different shape.
add_binding_conversion() {
  sed -i '/^spec:$/r hack/binding-conversion.yaml' \
    "$output/work.karmada.io_resourcebindings.yaml" \
    "$output/work.karmada.io_clusterresourcebindings.yaml"
}

reflow_descriptions() {
  go run ./hack/reflow "$output"/*.yaml
}

replace_crds() {
  rm -f api/crds/*.yaml
  mv "$output"/*.yaml api/crds/
}

generate_deepcopy
generate_crds
add_binding_conversion
reflow_descriptions
replace_crds
