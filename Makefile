# One command each: run it, test it, measure it. They set up what they need by themselves, on a
# Debian machine that has Go.

export GOFLAGS := -tags=no_otel -buildvcs=false -trimpath
export CGO_ENABLED := 0
# Programs of other people that the tests and benchmarks run against; see .ci/setup.
export LANYARD_PEERS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/lanyard-peers

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  = -s -w -X main.version=$(VERSION)

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

bench: build ## measure Lanyard beside the bare engine and MinIO, in one run
	@.ci/setup bench
	go run ./bench -lanyard bin/lanyard -peers $(LANYARD_PEERS)
	go run ./bench/grid -lanyard bin/lanyard
	go test -run '^$$' -bench . -benchtime 1s ./sigv4 ./internal/store ./proxycert ./voms

soak: build ## the long fault runs
	@.ci/setup test
	LANYARD_SOAK=1 go test -timeout 2h -count 1 ./e2e

fuzz: ## fuzz every parser for half a minute each
	@for p in $$(grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u); do \
	  for f in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' $$p/*_test.go | cut -d' ' -f2); do \
	    go test -run '^$$' -fuzz "^$$f$$" -fuzztime 30s -fuzzminimizetime 10x $$p || exit 1; done; done

lint: ## run the linters
	@.ci/setup lint
	$(LANYARD_PEERS)/golangci-lint run ./...
