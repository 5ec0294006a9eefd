# The commands of the project; `make` alone lists them. Each is one line here: the work is in tools/.
.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

NODE := node_modules/.bin/node

##@ Run

up: install ## Start everything: chain, Postgres, Redis, contracts, services. Ctrl-C stops it
	@$(NODE) tools/stack/main.ts up

status: install ## Show what runs and how it is; exit code 0 when all is ready
	@$(NODE) tools/stack/main.ts status

down: install ## Stop what `make up` started, from another terminal
	@$(NODE) tools/stack/main.ts down

reset: install ## Stop, and forget everything: chain, database, queues, secrets, logs
	@$(NODE) tools/stack/main.ts reset

##@ Check

test: install ## Run all tests: unit, integration on real servers, end to end. ARGS go to jest
	@$(NODE) tools/test.ts $(ARGS)

check: install ## Types, lint, layers, generated files
	@$(NODE) tools/check.ts

##@ Other

install: ## Install packages when they are missing or the lockfile changed
	@tools/stack/install.sh

help: ## Show this list
	@awk 'BEGIN { FS = ":.*## "; print "\nUsage: make <command>" } \
		/^##@/ { printf "\n\033[1m%s\033[0m\n", substr($$0, 5) } \
		/^[a-z][a-z0-9-]*:.*## / { printf "  \033[36m%-14s\033[0m %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo

.PHONY: up status down reset test check install help
