# Everything works as root and as an ordinary user, twice in a row, and after an interrupt.
SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS   += --no-print-directory

BINARY   := bin/imap2api
DATA     ?= ./data
FUZZTIME ?= 30s
COUNT    ?= 6
TIMEOUT  ?= 20m

# A checkout of somebody else's still has a version.
GIT     := git -c safe.directory='*'
VERSION := $(shell $(GIT) describe --tags --always --dirty 2>/dev/null || echo unknown)
VCS     := $(shell git rev-parse HEAD >/dev/null 2>&1 && echo true || echo false)
LDFLAGS := -s -w -X main.release=$(VERSION)
# The race detector needs a C compiler, which `make test` installs where it may.
RACE     = $(shell command -v $$(go env CC) >/dev/null 2>&1 && echo -race)
GOTEST   = go test -buildvcs=false $(RACE) -shuffle=on -timeout $(TIMEOUT)

GOLANGCI_LINT := v2.15.0
GOFUMPT       := v0.12.0
TOOLS         := bin/golangci-lint bin/gofumpt bin/goimports bin/benchstat

.DEFAULT_GOAL := help
.PHONY: help run demo build test e2e check fmt fmt-check vet lint tidy tidy-check golden fuzz cover bench bench-search up down migrate rebuild tools clean

help: ## Print this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

run: build ## Start the service on http://127.0.0.1:8080 with everything it needs inside ./data
	@scripts/install.sh run
	@exec $(BINARY) serve -env development -data-dir $(DATA)

demo: build ## The same in ./data/demo with a sample IMAP server, to which mail arrives by itself
	@scripts/install.sh run
	@exec $(BINARY) serve -demo -env development -data-dir $(DATA)/demo

build: ## Build bin/imap2api, static
	@mkdir -p bin
	CGO_ENABLED=0 go build -buildvcs=$(VCS) -trimpath -ldflags '$(LDFLAGS)' -o $(BINARY) ./cmd/imap2api

test: ## Every test, with private servers on loopback and the race detector
	@scripts/install.sh test
	go vet -buildvcs=false $(RACE) ./...
	$(GOTEST) ./cmd/... ./... # those of the whole program first: they take longest

e2e: ## Only the end-to-end scripts: the program, Postgres and Dovecot
	@scripts/install.sh test
	$(GOTEST) -count=1 -run 'Script|EndToEnd|Browser' ./cmd/...

check: fmt-check vet lint tidy-check test ## What CI runs

fmt: bin/gofumpt bin/goimports ## Format with gofumpt and goimports
	@bin/gofumpt -w $$($(GIT) ls-files '*.go')
	@bin/goimports -local github.com/imap2api/imap2api -w $$($(GIT) ls-files '*.go')

fmt-check: ## Fail if a file is not formatted
	@found=$$(gofmt -l $$($(GIT) ls-files '*.go')); [ -z "$$found" ] || { echo "not formatted, run make fmt:"; echo "$$found"; exit 1; }

vet: ## go vet
	go vet -buildvcs=false ./...

lint: bin/golangci-lint ## golangci-lint, which has staticcheck in it
	bin/golangci-lint run ./...

tidy: ## go mod tidy
	go mod tidy

tidy-check: ## Fail if go mod tidy would change something
	go mod tidy -diff

golden: ## Rewrite golden files, to be read in the diff
	@packages=$$(grep -rlE 'flag\.Bool\("update"' --include='*_test.go' . | xargs -r -n1 dirname | sort -u); \
	if [ -n "$$packages" ]; then go test -buildvcs=false $$packages -update; else echo "no golden files"; fi

fuzz: ## Run each fuzz target for FUZZTIME
	@grep -rlE '^func Fuzz' --include='*_test.go' . | while read -r file; do \
		grep -oE '^func Fuzz[A-Za-z0-9_]*' "$$file" | cut -c6- | while read -r target; do \
			echo "$$target in $$(dirname "$$file")"; \
			go test -buildvcs=false -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")" </dev/null; \
		done; \
	done

cover: ## Coverage by package
	@scripts/install.sh test
	@mkdir -p bin
	go test -buildvcs=false -timeout $(TIMEOUT) -coverpkg=./... -coverprofile=bin/cover.out ./... | grep -v 'no test files'
	@go tool cover -func=bin/cover.out | tail -n 1

bench: ## Benchmarks COUNT times, those of the whole program once; docs/benchmarks.md explains the figures
	@scripts/install.sh test
	go test -buildvcs=false -run '^$$' -bench . -benchmem -count $(COUNT) -timeout 2h $$(go list -buildvcs=false ./... | grep -v /cmd/)
	go test -buildvcs=false -run '^$$' -bench . -benchtime 1x -timeout 2h ./cmd/...

bench-search: ## Search of 200,000 messages under load, beside notmuch and SQLite; ten minutes
	@scripts/install.sh search
	go test -buildvcs=false -run '^$$' -bench '^BenchmarkSearch' -benchtime 1x -timeout 1h ./cmd/imap2api

up: ## Start the services of docker-compose.yml
	docker compose up --build --detach --wait

down: ## Stop them; their volumes stay
	docker compose down

migrate: build ## Bring the database in ./data to this version's schema
	@$(BINARY) migrate -data-dir $(DATA)

rebuild: build ## Rebuild read models from the log: make rebuild P=mail, all without P
	@$(BINARY) rebuild -data-dir $(DATA) $(P)

tools: $(TOOLS) ## Install the pinned tools into bin/

bin/golangci-lint: Makefile
	GOBIN=$(CURDIR)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT)
	@touch $@

bin/gofumpt: Makefile
	GOBIN=$(CURDIR)/bin go install mvdan.cc/gofumpt@$(GOFUMPT)
	@touch $@

bin/goimports: go.mod
	GOBIN=$(CURDIR)/bin go install golang.org/x/tools/cmd/goimports@v0.51.0
	@touch $@

bin/benchstat: Makefile
	GOBIN=$(CURDIR)/bin go install golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
	@touch $@

clean: ## Remove bin/; ./data stays
	rm -rf bin
