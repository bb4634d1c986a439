# Everything here needs Go, gcc, make and git, and nothing else. `make` alone lists the targets.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Nested modules keep the dependencies of the main one small: they have their own go.mod.
MODULES := . fleet/embedded/clusterd fleet/kind/nodeimage/parts tools

# What fleet/embedded/buildcluster compiles with: other flags would compile all of Kubernetes once more.
CLUSTERD_FLAGS := -trimpath

# Flags for `seatrial up`, and for every `go test`.
UP_FLAGS ?=
TEST_FLAGS ?=
# How often, and how long, each benchmark runs.
BENCH_COUNT ?= 6
BENCH_TIME ?= 500ms

# What looks for known vulnerabilities; VULNDB=file:///FOLDER names a copy of the database, for machines without the network.
VULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.7.0
VULNDB ?=

# What installs packages of the system.
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

export GOLANGCI_LINT_CACHE := $(CURDIR)/.cache/golangci-lint

##@ Build and run

.PHONY: build
build: ## Build bin/seatrial and bin/seatrial-cluster
	go build -o bin/seatrial ./cmd/seatrial
	go run ./fleet/embedded/buildcluster

.PHONY: up
up: build ## Start a control plane with three member clusters on this machine, and an example on them
	bin/seatrial up $(UP_FLAGS)

.PHONY: down
down: ## End what `make up` started
	bin/seatrial down

.PHONY: kind-image
kind-image: ## Build the image of kind's nodes where no registry answers (needs root, Docker, debootstrap)
	fleet/kind/nodeimage/build.sh

.PHONY: kind-up
kind-up: ## Make a host and three member clusters in containers
	go run ./fleet/kind/kindfleet up

.PHONY: kind-down
kind-down: ## Delete them
	go run ./fleet/kind/kindfleet down

##@ Check

.PHONY: test
# The suites on real clusters wait most of their time, so they begin before the rest.
test: build ## Run all tests, with those that start real clusters
	go test -timeout 25m $(TEST_FLAGS) ./e2e ./...
	cd fleet/embedded/clusterd && go test $(CLUSTERD_FLAGS) -timeout 5m $(TEST_FLAGS) ./...

.PHONY: test-race
test-race: ## Run all tests that start no clusters under the race detector
	go test -race -short -timeout 25m $(TEST_FLAGS) ./...

.PHONY: e2e
e2e: ## Run the suites: ENV=simulated|embedded|kind, some of them with LABEL=a,b NAME=part (KEEP=1 keeps kind clusters)
	go test ./e2e -run '^TestFleet$$' -count=1 -timeout 90m $(TEST_FLAGS) -env='$(or $(ENV),simulated)' -label='$(LABEL)' -name='$(NAME)' $(if $(ARTEFACTS),-artefacts='$(abspath $(ARTEFACTS))')

.PHONY: test-browser
test-browser: ## Look at the reports' pages in headless Chromium, which it installs from Debian where there is none
	@command -v chromium >/dev/null || { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends chromium; }
	CHROMIUM=$$(command -v chromium) go test -count=1 ./simulator/report -run TestBrowser

.PHONY: fuzz
fuzz: build ## Run the controllers through random scenarios with faults
	bin/seatrial fuzz --seeds $(or $(SEEDS),30) --from $(or $(FROM),1) $(if $(SEEDS),,--covered)

.PHONY: lint
lint: bin/golangci-lint ## Run golangci-lint, and go vet over the nested modules
	bin/golangci-lint run ./...
	cd fleet/embedded/clusterd && go vet $(CLUSTERD_FLAGS) ./...

.PHONY: vulncheck
vulncheck: ## Compare the code that is called with the database of known vulnerabilities (needs the network)
	GOBIN=$(CURDIR)/.cache/bin go install $(VULNCHECK)
	@for module in . fleet/embedded/clusterd; do \
	  code=0; (cd $$module && $(CURDIR)/.cache/bin/govulncheck $(VULNDB:%=-db %) ./...) || code=$$?; \
	  case $$code in \
	  0) ;; \
	  3) echo "vulncheck: $$module calls code with known vulnerabilities" >&2; exit 3 ;; \
	  *) echo "vulncheck: $$module was not checked: see above. The database needs the network; VULNDB=file:///FOLDER names a copy of it" >&2; exit $$code ;; \
	  esac; \
	done

.PHONY: verify
verify: verify-format verify-modules verify-generated ## Check that formatting, go.mod files and generated files are up to date

.PHONY: verify-format
verify-format:
	@unformatted=$$(gofmt -l .); [[ -z $$unformatted ]] || { echo "not formatted; run gofmt -w on:"; echo "$$unformatted"; exit 1; } >&2

.PHONY: verify-modules
verify-modules:
	@for module in $(MODULES); do (cd $$module && go mod tidy -diff) || { echo "run 'go mod tidy' in $$module" >&2; exit 1; }; done

# What is compared is the tree before and after, so that a change of types can be checked before it is committed.
.PHONY: verify-generated
verify-generated:
	@before=$$(mktemp -d); trap 'rm -rf "$$before"' EXIT; \
	cp -R api apiserver/openapi estimator/rpc/wire "$$before"; \
	$(MAKE) generate; \
	diff -r "$$before/api" api && diff -r "$$before/openapi" apiserver/openapi && diff -r "$$before/wire" estimator/rpc/wire || \
	  { echo "generated files were out of date; 'make generate' has brought them up to date" >&2; exit 1; }

.PHONY: bench
bench: ## Run the benchmarks and compare them with bench/baseline.txt (RECORD=1 makes the result the new baseline)
	@mkdir -p .cache
	go test -run '^$$' -bench . -benchmem -count $(BENCH_COUNT) -benchtime $(BENCH_TIME) \
	  $$(grep -rl --include='*_test.go' '^func Benchmark' . | xargs -n1 dirname | sort -u) | tee .cache/bench.txt
	@if [[ -n "$(RECORD)" ]]; then cp .cache/bench.txt bench/baseline.txt; fi
	go tool -modfile=tools/go.mod benchstat $$(ls bench/baseline.txt 2>/dev/null) .cache/bench.txt

##@ Maintain

.PHONY: generate
generate: ## Write the files that are generated from the API types and from messages
	hack/generate.sh
	hack/generate-openapi.sh
	hack/generate-proto.sh

.PHONY: clean
clean: ## Remove what these targets built and cached
	rm -rf bin .cache

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile

bin/golangci-lint: tools/go.mod tools/go.sum
	cd tools && go build -trimpath -ldflags='-s -w' -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
