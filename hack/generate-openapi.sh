#!/usr/bin/env bash
# Generates the OpenAPI definitions that the aggregated API server publishes (apiserver/openapi/zz_generated.openapi.go) from the
# Go types of api/cluster/v1alpha1 and api/search/v1alpha1, and of what they use of api/policy/v1alpha1. Run it after a change of those types.
set -o errexit -o nounset -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

go tool openapi-gen \
  --output-dir apiserver/openapi \
  --output-pkg github.com/seatrial/seatrial/apiserver/openapi \
  --output-file zz_generated.openapi.go \
  --report-filename /dev/null \
  ./api/cluster/v1alpha1 ./api/search/v1alpha1 ./api/policy/v1alpha1

# The kinds of the metrics APIs are not ours, and their modules publish no description of all of them.
go tool openapi-gen \
  --output-dir metrics/openapi \
  --output-pkg github.com/seatrial/seatrial/metrics/openapi \
  --output-file zz_generated.openapi.go \
  --report-filename /dev/null \
  k8s.io/metrics/pkg/apis/metrics/v1beta1 k8s.io/metrics/pkg/apis/custom_metrics/v1beta1 \
  k8s.io/metrics/pkg/apis/custom_metrics/v1beta2 k8s.io/metrics/pkg/apis/external_metrics/v1beta1
