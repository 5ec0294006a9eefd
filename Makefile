# The commands of the project; `make` alone lists them. Each is one line here: the work is in tools/.
.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

NODE := node_modules/.bin/node

##@ Run

up: install ## Start everything: chain, Postgres, Redis, contracts, services. Ctrl-C stops it
	@$(NODE) tools/stack/main.ts up

demo: install ## Drive the whole story against what `make up` started. ARGS: --only STEP, --json
	@$(NODE) tools/demo/main.ts $(ARGS)

status: install ## Show what runs and how it is; exit code 0 when all is ready
	@$(NODE) tools/stack/main.ts status

down: install ## Stop what `make up` started, from another terminal
	@$(NODE) tools/stack/main.ts down

reset: install ## Stop, and forget everything: chain, database, queues, secrets, logs
	@$(NODE) tools/stack/main.ts reset

gateway: install ## The RPC gateway alone: UPSTREAM_URLS=https://…,https://… CHAIN_ID=1, or CONFIG=providers.yaml
	@$(if $(CONFIG),PROVIDERS_FILE="$(CONFIG)") $(NODE) services/chain-gateway/main.ts

operator: install ## A line for CONSOLE_OPERATORS: asks for a password. NAME=olga ROLE=viewer|operator
	@printf 'Password: ' >&2; stty -echo 2>/dev/null; $(NODE) console/server/operator-cli.ts "$(NAME)" "$(ROLE)"; code=$$?; stty echo 2>/dev/null; echo >&2; exit $$code

##@ Check

test: install ## Run all tests: unit, integration on real servers, end to end. ARGS go to jest
	@$(NODE) tools/test.ts $(ARGS)

test-apiserver: install ## Tests against a real kube-apiserver and etcd; builds them the first time (needs Go)
	@$(NODE) tools/test.ts --run apiserver $(ARGS)

test-rules: install ## Every alert rule against promtool: fires, stays quiet, recovers; builds it the first time (needs Go)
	@$(NODE) tools/test.ts --run promtool $(ARGS)

fuzz: install ## Send generated requests to every documented operation; installs Schemathesis from PyPI the first time
	@$(NODE) tools/test.ts --run fuzz $(ARGS)

check: install ## Types, lint, layers, generated files
	@$(NODE) tools/check.ts

simulate: install ## Seeded storms in virtual time over reads and nonce lanes. SEED=n replays one, RUNS=n runs more
	@$(NODE) services/chain-gateway/testing/simulate.ts
	@$(NODE) services/chain-gateway/transactions/simulation/run-simulation.ts $(if $(SEED),--from $(SEED) --seeds 1,--seeds $(or $(RUNS),1000))

load: install ## k6 against what `make up` started, with a verdict for each objective. SCENARIO=peak DURATION=10m
	@$(NODE) tools/load/main.ts $(or $(SCENARIO),peak) $(if $(DURATION),--duration $(DURATION))

chaos: install ## Faults × promises on a platform of its own, under load, with a report. ARGS: --quick, --only IDS, --rehearse, --list
	@$(NODE) tools/chaos/main.ts $(ARGS)

dashboards: install ## Ask a real Prometheus every rule and every panel of a running platform of its own (needs Go)
	@$(NODE) tools/monitoring/main.ts $(ARGS)

bench: install ## Measure the gateway against its aims. ARGS: --quick, --only NAMES, --strict
	@$(NODE) tools/bench/main.ts $(ARGS)

##@ Kubernetes (KUBECONFIG chooses a cluster of yours; without it the one of cluster-up)

cluster-up: install ## A real single-node Kubernetes on this Linux machine, without Docker (root). INSTALL=1 adds packages
	@$(NODE) tools/cluster/main.ts up $(if $(INSTALL),--install)

cluster-down: install ## Take that cluster down; nothing of it stays
	@$(NODE) tools/cluster/main.ts down

image: install ## Build the container image with docker, podman or buildah. ARGS: --base local, --tag TAG, --help
	@$(NODE) tools/image/main.ts $(ARGS)

deploy: install ## Image, load, helm install with everything inside. Your cluster: KUBECONFIG, IMAGE_REGISTRY=ghcr.io/you or kind
	@$(NODE) tools/e2e/deploy.ts $(ARGS)

e2e: install ## Prove the release on that cluster: story, load, faults, upgrades. ARGS: --only NAMES, --keep, --help
	@$(NODE) tools/e2e/main.ts $(ARGS)

##@ Other

install: ## Install packages when they are missing or the lockfile changed
	@tools/stack/install.sh

help: ## Show this list
	@awk -v tty="$(MAKE_TERMOUT)" 'BEGIN { FS = ":.*## "; if (tty != "") { b = "\033[1m"; c = "\033[36m"; r = "\033[0m" } \
		print "\nUsage: make <command>" } \
		/^##@/ { printf "\n%s%s%s\n", b, substr($$0, 5), r } \
		/^[a-z][a-z0-9-]*:.*## / { printf "  %s%-14s%s %s\n", c, $$1, r, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo

.PHONY: chaos dashboards up demo status down reset gateway test test-apiserver test-rules fuzz check load bench install help cluster-up cluster-down image deploy e2e
