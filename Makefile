# omniproxy. `make` lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
SUDO := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build ./omniproxy
	go build -trimpath -ldflags "-X main.version=$(VERSION)" -o omniproxy ./cmd/omniproxy

.PHONY: run
run: build ## serve sample OmniDaemon data in ./sample on 127.0.0.1:6380
	@[ -d sample ] || { mkdir sample && cp jsonbackend/lens/testdata/omnidaemon_data/*.json sample/; }
	./omniproxy --dir sample

.PHONY: run-proxy
run-proxy: build redis ## start a redis-server on 127.0.0.1:6379 and a proxy in front of it on 127.0.0.1:6380
	@redis-server --bind 127.0.0.1 --port 6379 --save '' --appendonly no >/dev/null & redis=$$!; \
	trap "kill $$redis" EXIT; for _ in {1..50}; do redis-cli -p 6379 ping >/dev/null 2>&1 && break; sleep 0.1; done; \
	./omniproxy --backend redis --upstream redis://127.0.0.1:6379

.PHONY: test
test: deps ## install what the tests need (redis-server, redis-cli, redis-py, prometheus, openssl, curl), then run all of them
	go test -timeout 20m ./...

# $(call install,PROGRAMS,PACKAGES) installs Debian's PACKAGES unless all PROGRAMS are there.
install = for program in $(1); do command -v $$program >/dev/null || missing=yes; done; if [ "$${missing:-}" ]; then \
  if ! command -v apt-get >/dev/null; then echo "install these, then try again: $(1)" >&2; exit 1; fi; \
  echo "installing $(2)"; $(SUDO) apt-get update -qq; \
  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(2) >/dev/null; fi

.PHONY: redis
redis:
	@$(call install,redis-server redis-cli redis-check-aof,redis-server redis-tools)

.PHONY: deps
deps: redis
	@$(call install,/usr/bin/python3 openssl curl,python3 openssl curl)
	@if ! /usr/bin/python3 -c 'import redis' 2>/dev/null; then $(call install,/usr/lib/python3/dist-packages/redis,python3-redis); fi
	@if ! command -v prometheus >/dev/null && [ ! -e /usr/sbin/policy-rc.d ]; then \
	  printf '#!/bin/sh\nexit 101\n' | $(SUDO) tee /usr/sbin/policy-rc.d >/dev/null; $(SUDO) chmod 755 /usr/sbin/policy-rc.d; \
	  trap "$(SUDO) rm -f /usr/sbin/policy-rc.d; $(SUDO) systemctl disable prometheus >/dev/null 2>&1 || true" EXIT; fi; \
	$(call install,prometheus promtool,prometheus) # which is not to run as a service

.PHONY: check
check: ## what to run before a commit: format, vet, staticcheck, unit tests with the race detector
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "not formatted: $$unformatted"; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	go test -race -short -timeout 10m ./...

.PHONY: cross
cross: ## build for macOS and Windows
	GOOS=darwin GOARCH=arm64 go build ./...
	GOOS=windows GOARCH=amd64 go build ./...

.PHONY: crash
crash: deps ## kill omniproxy under load 500 times in each mode of --fsync, and compare (KILLS=n; SEED=n repeats a run)
	go test ./integration -run '^TestNothingAcknowledgedIsLostWhenKilled$$' -v -count 1 -timeout 6h -kills $(or $(KILLS),500) -seed $(or $(SEED),0)

.PHONY: faults
faults: deps ## a million commands through the proxy, in each pool, over networks that fail (COMMANDS=n; SEED=n repeats a run)
	go test ./passthrough -run '^TestNoFaultMixesUpRepliesOrRepeatsCommands$$' -v -count 1 -timeout 2h -commands $(or $(COMMANDS),1000000) -seed $(or $(SEED),0)

.PHONY: storm
storm: deps ## OmniDaemon's JSON store, editors and clients write one folder for minutes (STORM=10m for longer); every interleaving of the merge
	OMNIPROXY_STORM=$(or $(STORM),2m) go test -timeout 60m -count 1 -v ./integration -run TestAStorm
	OMNIPROXY_EXHAUSTIVE=1 go test -timeout 60m -count 1 -v ./jsonbackend -run 'TestNoInterleaving|TestNoCrash|TestNoPowerCut|TestNoFailure|TestWithoutExchange'

.PHONY: attack
attack: deps ## attack both backends with all force while a good client measures: passwords, floods, slowloris, TLS, memory (minutes)
	go test ./integration -run '^Test(Attacks|HostileHandshakes)' -v -count 1 -timeout 30m -attack

.PHONY: restart
restart: deps ## restart omniproxy under load 20 times on each backend: no command may fail (RESTARTS=n)
	go test ./integration -run '^TestARestartFailsNoCommand$$' -v -count 1 -timeout 1h -restarts $(or $(RESTARTS),20)

.PHONY: endure
endure: deps ## an hour of mixed load with faults on each backend: memory, descriptors and goroutines stay flat; endure/endurance.png shows them (ENDURE=10m)
	@$(call install,gnuplot,gnuplot-nox)
	@mkdir -p endure
	go test ./integration -run '^TestMixedLoadWithFaultsLeavesNothingBehind$$' -v -count 1 -parallel 4 -timeout 6h -endure $(or $(ENDURE),1h) -endure-out $(CURDIR)/endure
	gnuplot -c integration/testdata/endurance.gnuplot endure

.PHONY: crowd
crowd: deps ## 5,000 idle clients of the proxy and 500 busy ones: memory of an idle one, connections at Redis, goroutines
	go test ./integration -run '^$$' -bench Crowd -benchtime 50000x

.PHONY: fuzz
fuzz: ## fuzz every parser of foreign bytes, 30 s each (FUZZTIME=10m for longer)
	@go list -f '{{range .TestGoFiles}}{{$$.Dir}}/{{.}} {{end}}{{range .XTestGoFiles}}{{$$.Dir}}/{{.}} {{end}}' ./... | tr ' ' '\n' | grep . | \
	xargs grep -Ho '^func Fuzz[A-Za-z0-9_]*' | while IFS=: read -r file name; do \
	  echo "$$(dirname $$file) $${name#func }"; \
	  go test "$$(dirname $$file)" -run '^$$' -fuzz "^$${name#func }\$$" -fuzztime $(or $(FUZZTIME),30s); done

.PHONY: soak
soak: deps ## compare 200,000 random commands (also through the proxy), and 60,000 of each chapter, with redis-server in RESP2 and in RESP3 (COMMANDS=n; SEED=n repeats a run)
	go test ./jsonbackend/engine -run '^TestMixedCommandsAnswerLikeRedis$$' -v -count 1 -timeout 2h -commands $(or $(COMMANDS),200000) -seed $(or $(SEED),0)
	go test ./integration -run '^TestRandomCommandsAreAnsweredAsWithoutTheProxy$$' -v -count 1 -timeout 2h -commands $(or $(COMMANDS),200000) -seed $(or $(SEED),0)
	go test ./resp/acl -run '^TestRandomUsersAreLikeRedis$$' -v -count 1 -timeout 1h -users 5000 -seed $(or $(SEED),0)
	go test ./integration -run '^TestUsersMayDoWhatRedisAllows$$' -v -count 1 -timeout 1h -users 500
	go test ./jsonbackend/engine -run 'LikeRedis$$|^TestWatchers' -skip '^TestMixedCommands' -count 1 -timeout 2h -episodes 100

.PHONY: record
record: deps ## record the dialogs anew from a real redis-server
	go run ./integration/record

.PHONY: record-commands
record-commands: deps ## record Redis' facts about its commands anew
	go run ./resp/command/record

.PHONY: docs
docs: ## write the pages of docs/ that are made from tables
	go run ./jsonbackend/engine/supported > docs/commands.md
	go run ./cmd/omniproxy rules --format md > docs/rules.md
	go run ./cmd/omniproxy config table > docs/configuration.md

.PHONY: bench
bench: deps ## compare servers side by side, five rounds
	go test ./integration -run '^$$' -bench . -benchtime 2s -count 5

.PHONY: release
release: ## archives of static binaries for Linux, macOS and Windows with checksums, in ./dist
	go run ./packaging -version "$(VERSION)" release

.PHONY: wheel
wheel: ## a Python wheel for each platform, in ./dist: pip install omniproxy --no-index --find-links dist
	go run ./packaging -version "$(VERSION)" wheel

.PHONY: deb
deb: ## Debian packages, in ./dist
	go run ./packaging -version "$(VERSION)" deb

.PHONY: image
image: ## the container image omniproxy, with the Docker that runs here
	docker build -f packaging/docker/Dockerfile --build-arg VERSION="$(VERSION)" -t omniproxy .

.PHONY: check-packages
check-packages: ## install what release, wheel and deb make, in empty places, and use it (Debian, as root; minutes)
	packaging/check.sh "$(VERSION)"
