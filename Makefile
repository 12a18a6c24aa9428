# One command each: run it, test it, measure it. They set up what they need by themselves, on a
# Debian machine that has Go.

export GOFLAGS := -tags=no_otel -buildvcs=false -trimpath
export CGO_ENABLED := 0
# Programs of other people that the tests and benchmarks run against; see .ci/setup.
export LANYARD_PEERS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/lanyard-peers

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  = -s -w -X main.version=$(VERSION)

FUZZTIME ?= 30s
FUZZED   ?= .

.DEFAULT_GOAL := help
.PHONY: help build run test bench soak lint fuzz

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /	/' | expand -t 10

build: ## build bin/lanyard
	@.ci/setup build
	go build -ldflags '$(LDFLAGS)' -o bin/lanyard ./cmd/lanyard

run: build ## start a server with two demo projects and three demo people
	@exec bin/lanyard serve --demo

test: build ## run every test, against real clients and servers
	@.ci/setup test
	go vet ./...
	@test -z "$$(gofmt -l $$(git ls-files '*.go') | tee /dev/stderr)"
	go test -timeout 20m ./...
	@$(MAKE) --no-print-directory fuzz FUZZTIME=10s FUZZED='proxycert voms'

bench: build ## measure Lanyard beside the bare engine and MinIO, in one run
	@.ci/setup bench
	go run ./bench -lanyard bin/lanyard -peers $(LANYARD_PEERS)
	go run ./bench/grid -lanyard bin/lanyard
	go run ./bench/tokens -lanyard bin/lanyard
	go test -run '^$$' -bench . -benchtime 1s ./sigv4 ./internal/store ./proxycert ./voms ./wlcg

soak: build ## the long fault runs, and every parser fuzzed for minutes
	@.ci/setup test
	LANYARD_SOAK=1 go test -timeout 2h -count 1 -p 1 ./internal/custody ./e2e
	@$(MAKE) --no-print-directory fuzz FUZZTIME=2m

# Two at a time, each on one processor. What goes well is one line. The end of the time itself can
# show as a failure (golang/go#75804), with that line and no input.
fuzz: ## fuzz every parser for FUZZTIME (30s), or those below the directories FUZZED
	@grep -rE '^func Fuzz' --include='*_test.go' $(FUZZED) | sed -E 's|^(\./)?(.*)/[^/]*:func (Fuzz[A-Za-z0-9_]+).*|./\2 \3|' | \
	  xargs -P 2 -n 2 sh -c 'out=$$(go test -run "^$$" -fuzz "^$$1\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x -parallel 1 $$0 2>&1) || \
	    echo "$$out" | grep -qx "    context deadline exceeded" || { echo "$$out"; exit 255; }; echo "fuzzed  $$0 $$1"'

lint: ## run the linters
	@.ci/setup lint
	$(LANYARD_PEERS)/golangci-lint run ./...
