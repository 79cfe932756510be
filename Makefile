# `make` lists what there is. PYTHON names the interpreter of a new .venv, PORT the port of `make run`.

PYTHON ?= python3
BASKETS ?= 2000
EXAMPLES ?= 100
ROUNDS ?= 1
RESTARTS ?= 20
PAIRS ?= 5
SECONDS_EACH ?= 10
SERVICE ?= pypi
IN_VENV := .venv/bin/python
WITH_SERVERS := $(IN_VENV) -m shared.embedded exec --
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help run test check format replay chaos restarts model mutation bench endurance streams fairness fuzz lint-api asyncapi reset audit dependencies clean
.NOTPARALLEL:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

run: ## start the whole system on this machine (PORT=8000); Ctrl-C stops it
	@.ci/install run
	@exec $(IN_VENV) -m config.local run

test: check ## check, then run the tests
	@exec $(IN_VENV) -m pytest

check: ## lint, types, architecture, migrations, deployment settings, dependencies
	@.ci/install dev
	@exec $(WITH_SERVERS) .ci/check

format: ## put the source in order
	@.ci/install dev
	@.venv/bin/ruff check --fix --quiet . || true
	@.venv/bin/ruff format .

replay: ## play real shopping baskets through the running code (BASKETS=2000)
	@.ci/install replay
	@exec $(IN_VENV) manage.py replay --baskets $(BASKETS)

chaos: ## kill everything at every crash point, judge, and write docs/kill-matrix.md (ROUNDS=1)
	@.ci/install dev
	@exec $(IN_VENV) -m tests.chaos --rounds $(ROUNDS)

restarts: ## restart web processes, worker and relay under load (RESTARTS=20); nothing may fail
	@.ci/install dev
	@exec env RESTARTS=$(RESTARTS) $(IN_VENV) -m pytest tests/journeys/test_restarts.py

model: ## play thousands of random games of orders, crashes and time jumps; about fifteen minutes
	@.ci/install dev
	@exec env MODEL=long $(IN_VENV) -m pytest tests/model -p no:randomly

mutation: ## take each guard out by itself, see the tests fail, and write docs/mutation-proof.md (GUARDS=--changed)
	@.ci/install dev
	@exec $(IN_VENV) -m tests.mutation $(GUARDS)

bench: ## measure beside the floor of the same run, and write docs/performance.md (SECONDS_EACH=10)
	@.ci/install dev
	@$(IN_VENV) -m tests.load --seconds $(SECONDS_EACH)
	@$(IN_VENV) -m tests.load.end_to_end
	@exec $(IN_VENV) -m tests.load.deliveries

endurance: ## 100,000 baskets and 200,000 orders: deadlocks and memory, into docs/performance.md; half an hour
	@.ci/install dev
	@.ci/install replay
	@exec $(IN_VENV) -m tests.load.endurance

fairness: ## send 10,000 webhooks to 50 endpoints, ten of them slow or dead, and write docs/webhooks.md (PAIRS=5)
	@.ci/install dev
	@exec $(IN_VENV) -m tests.load.webhooks --pairs $(PAIRS)

streams: ## measure what 1,000 open streams cost those who order, and what the front costs beside plain WSGI (PAIRS=5)
	@.ci/install dev
	@$(IN_VENV) -m tests.load.streams --rounds $(PAIRS)
	@exec $(IN_VENV) -m tests.load.server_interfaces --rounds $(PAIRS) --interfaces wsgi rsgi

asyncapi: ## have AsyncAPI's own parser read docs/api/asyncapi.json; needs node and npm
	@npm install --prefix .cache/asyncapi --no-save --no-audit --no-fund --silent @asyncapi/parser@3.6.3
	@NODE_PATH=.cache/asyncapi/node_modules node tests/webhooks/parse_asyncapi.cjs docs/api/asyncapi.json

fuzz: ## ask every operation of both APIs for what it does not expect, with schemathesis (EXAMPLES=100)
	@.ci/install dev
	@exec $(IN_VENV) -m tests.contract.fuzz --examples $(EXAMPLES)

lint-api: ## hold the OpenAPI documents to the rules of Spectral and OWASP
	@.ci/install node
	@exec .ci/lint-api

reset: ## remove the local data in .data
	@.ci/install run
	@exec $(IN_VENV) -m config.local reset

audit: ## check the conservation laws on the local data
	@.ci/install run
	@exec $(IN_VENV) manage.py audit

dependencies: ## look the locked packages up among known vulnerabilities (SERVICE=pypi or osv)
	@.ci/install dev
	@exec $(IN_VENV) .ci/dependencies $(SERVICE)

clean: ## remove caches; .data and .venv stay
	@rm -rf .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
