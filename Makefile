# ixagent is made with the Go toolchain alone. `make` lists what can be made.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.PHONY: help build test lint generate bench soak size demo lab lab-image clients fuzz clean

VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
PACKAGES  := ./... ./testdata
TOOL      := go tool -modfile=go.tool.mod
TESTFLAGS ?=
BENCH     ?= .
FUZZTIME  ?= 10s
SEEDS     ?= 1000

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1 /p' $(MAKEFILE_LIST) | while read -r target does; do printf '  make %-9s %s\n' "$$target" "$$does"; done

build: ## build bin/ixagent and bin/ixlab, static and stripped
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/ ./cmd/ixagent ./cmd/ixlab

test: lint ## check the source and run every test (TESTFLAGS=-race for the race detector)
	go test $(TESTFLAGS) $(PACKAGES)

lint: ## check modules, format and code
	go mod verify
	go mod tidy -diff
	@unformatted=$$($(TOOL) gofumpt -l . testdata); if [[ -n $$unformatted ]]; then printf 'not formatted, run gofumpt -w:\n%s\n' "$$unformatted"; exit 1; fi
	go vet $(PACKAGES)
	$(TOOL) staticcheck $(PACKAGES)

generate: ## write generated code and data sets anew (needs ../shared/yang or IXAGENT_YANG)
	go generate $(PACKAGES)

bench: ## run the benchmarks and print their results (BENCH=regexp chooses)
	@grep -rl --include=*_test.go '^func Benchmark' . | xargs -r -n1 dirname | sort -u \
	| xargs -r go test -run '^$$' -bench '$(BENCH)' -benchmem -timeout 30m | grep -E '^(pkg:|Benchmark|---|FAIL|panic)'

soak: ## run SEEDS (1000) schedules of faults against the agent, and as many with command lines, and hold the laws against the switches
	go test -timeout 2h -run TestNoScheduleOfFaultsBreaksALaw ./cmd/ixagent -soak.seeds $(SEEDS) -soak.lines $(SEEDS) -v | grep -v '^=== '

size: build ## measure time, memory and processor time for 200 switches with 50 circuits each
	bin/ixlab size --agent bin/ixagent --set 200x50

demo: build ## show a whole pass on this machine: a sandbox exchange, four lab switches, plan, apply, verify, frames
	bin/ixlab demo

lab: build ## lay the metro out with wires, members' routers and its exchange, and say what to try; ^C ends it
	@rm -rf bin/lab; bin/ixlab up lab/topology/metro.clab.yml; trap 'bin/ixlab down metro' EXIT; \
	bin/ixlab exec --lab metro host -- bin/ixlab sandbox --topology lab/topology/metro.clab.yml --dir bin/lab

lab-image: build ## build the container image ixlab:latest for containerlab
	DOCKER_BUILDKIT=0 docker build --tag ixlab:latest --file lab/topology/Dockerfile bin

clients: ## install what judges the sandbox exchange: a contract proxy from npm, and a maker of clients
	mkdir -p bin/clients && cp testdata/clients/package.json testdata/clients/package-lock.json bin/clients/
	npm ci --prefix bin/clients --ignore-scripts --no-audit --no-fund
	cd testdata/clients && go mod download

fuzz: ## fuzz every target for FUZZTIME (10s)
	@grep -rHo --include=*_test.go '^func Fuzz[A-Za-z0-9_]*' . | sed 's/:func /:/' \
	| while IFS=: read -r file target; do go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x "$$(dirname "$$file")"; done

clean: ## remove what was built
	rm -rf bin
