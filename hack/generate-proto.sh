#!/usr/bin/env bash
# Writes the Go code of the estimator's gRPC messages and services from their .proto files. Needs Go alone; run by `make generate`.
set -euo pipefail
cd "$(dirname "$0")/.."

tool() { go tool -modfile=tools/go.mod -n "$1"; }

generate() {
  (cd tools && go run ./protogen .. "$1,paths=source_relative" estimator/rpc/wire/estimator.proto estimator/rpc/wire/batch.proto)
}

generate "$(tool protoc-gen-go)"
generate "$(tool protoc-gen-go-grpc)"
