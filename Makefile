# `make dev` runs the service, `make test` tests it; both install what they need. `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
LOCALSTACK_VENV := .venv-localstack
CLIENTS_VENV := .venv-clients
CLIENTS_MODULES := tests/e2e/clients/node_modules
NPM_MODULES := tests/e2e/npm/node_modules
UPLOADERS_MODULES := tests/e2e/uploaders/node_modules
BENCH_VENV := .venv-bench
DEPLOY_VENV := .venv-deploy
AUDIT_VENV := .venv-audit
DOCS_VENV := .venv-docs
SITE_MODULES := tools/site_scripts/node_modules
PEERS_MODULES := benchmarks/peers/node_modules
NPM := PATH="$(CURDIR)/$(CLIENTS_VENV)/bin:$$PATH" npm --prefix
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --no-input
# Install a lock file, and show its packages in a terminal: $(call install,environment,lock file)
define install
	@set -o pipefail; if [ -t 1 ]; then \
		PYTHONUNBUFFERED=1 $(1)/bin/python $(subst --quiet,,$(PIP_INSTALL)) --require-hashes -r $(2) | \
			awk '/^Collecting/ {printf "\r\033[K  Fetching %s", $$2; fflush()} \
				/^Installing/ {printf "\r\033[K  Unpacking"; fflush()} END {printf "\r\033[K"}'; \
	else $(1)/bin/python $(PIP_INSTALL) --require-hashes -r $(2); fi
endef
# Three processes, each with its own servers: tests mostly wait for those. In the order of their folders, because
# pytest-xdist would start files of one slow test last, and leave the other processes without work.
PARALLEL ?= --numprocesses 3 --dist loadfile --no-loadscope-reorder
COMPILE := $(VENV)/bin/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 \
	--no-emit-index-url --no-emit-find-links $(LOCK_FLAGS)

.DEFAULT_GOAL := help
.PHONY: help dev npm test test-unit test-integration test-e2e check fix openapi docs site screenshots pictures manifests bench bench-quick soak audit sbom dist image web lock fuzz clean

help:  ## List the targets.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

dev: $(VENV)/.dev  ## Run the service, an embedded S3 and the demo page on http://127.0.0.1:8000/.
	@exec $(VENV)/bin/uploadsvc dev $(ARGS)

test: $(VENV)/.test $(DEPLOY_VENV)/.ready $(LOCALSTACK_VENV)/.ready $(CLIENTS_MODULES)/.ready $(UPLOADERS_MODULES)/.ready $(NPM_MODULES)/.ready  ## Run all tests, against LocalStack and SeaweedFS too.
	$(VENV)/bin/python -m pytest $(PARALLEL) $(ARGS)

test-unit: $(VENV)/.test  ## Run the unit tests: no process, no socket, under a minute.
	$(VENV)/bin/python -m pytest tests/unit --numprocesses auto $(ARGS)

test-integration: $(VENV)/.test $(DEPLOY_VENV)/.ready  ## Run the tests over moto and scripted S3 servers.
	$(VENV)/bin/python -m pytest tests/integration $(PARALLEL) $(ARGS)

test-e2e: $(VENV)/.test $(LOCALSTACK_VENV)/.ready $(CLIENTS_MODULES)/.ready $(UPLOADERS_MODULES)/.ready $(NPM_MODULES)/.ready  ## Run the tests over SeaweedFS, LocalStack, browsers and generated clients.
	$(VENV)/bin/python -m pytest tests/e2e $(PARALLEL) $(ARGS)

fuzz: $(VENV)/.test  ## Fuzz each parser for a minute, or SECONDS_EACH; new inputs go to .fuzz/. Linux only.
	$(VENV)/bin/python -m fuzz --seconds $(or $(SECONDS_EACH),60) $(ARGS)

check: $(VENV)/.test  ## Lint, format check, types, import rules, workflows.
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/zizmor --offline --quiet --persona=pedantic .github

fix: $(VENV)/.test  ## Fix what ruff can fix, and format.
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

openapi: $(VENV)/.dev  ## Regenerate openapi.json.
	$(VENV)/bin/uploadsvc openapi > openapi.json

audit: $(VENV)/.test $(AUDIT_VENV)/.ready  ## Ask PyPI and npm for known weaknesses of what the lock files name.
	$(VENV)/bin/python -m tools.audit

sbom: $(AUDIT_VENV)/.ready  ## Write dist/uploadsvc.cdx.json, a CycloneDX list of what the image installs (PYTHON=python3.13, as in the image).
	@rm -rf dist/image && mkdir -p dist && $(PYTHON) -m venv --without-pip dist/image
	@$(AUDIT_VENV)/bin/python -m pip --python dist/image/bin/python install --quiet --disable-pip-version-check --no-input \
		--require-hashes --only-binary :all: --no-compile -r locks/runtime.txt
	@$(AUDIT_VENV)/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type application --output-reproducible \
		--output-file dist/uploadsvc.cdx.json dist/image/bin/python
	@rm -rf dist/image
	@echo "dist/uploadsvc.cdx.json"

dist: npm sbom $(VENV)/.test  ## Build the packages, the chart, the image and the SBOM in dist/, the same bytes each time (PYTHON=python3.13).
	@DOCKER_FLAGS="$(DOCKER_FLAGS)" $(VENV)/bin/python -m tools.dist

image: ## Build the container image uploadsvc:latest (DOCKER_FLAGS="--network=host").
	docker build $(DOCKER_FLAGS) --tag uploadsvc .

web: $(CLIENTS_MODULES)/.ready $(NPM_MODULES)/.ready  ## Regenerate the .d.ts files from the types in the browser modules.
	@rm -f src/uploadsvc/web/*.d.ts packages/browser/src/*.d.ts
	PATH="$(CURDIR)/$(CLIENTS_VENV)/bin:$$PATH" $(CLIENTS_MODULES)/.bin/tsc --project src/uploadsvc/web
	PATH="$(CURDIR)/$(CLIENTS_VENV)/bin:$$PATH" $(CLIENTS_MODULES)/.bin/tsc --project packages/browser

npm: $(CLIENTS_VENV)/.ready  ## Build the npm package in dist/npm.
	@rm -rf dist/npm && mkdir -p dist/npm
	@cd packages/browser && PATH="$(CURDIR)/$(CLIENTS_VENV)/bin:$$PATH" npm pack --silent --pack-destination ../../dist/npm

docs: $(VENV)/.dev  ## Regenerate the reference pages and tables of docs/.
	$(VENV)/bin/python -m tools.settings_reference docs
	$(VENV)/bin/python -m tools.api_reference docs
	$(VENV)/bin/python -m tools.readme_figures README.md

site: $(DOCS_VENV)/.ready $(SITE_MODULES)/.ready  ## Build the docs site into dist/site; a broken link or an unlisted page fails.
	@$(DOCS_VENV)/bin/python -m tools.docs_site collect
	@$(DOCS_VENV)/bin/zensical build --strict --clean
	@$(DOCS_VENV)/bin/python -m tools.docs_site finish

screenshots: $(VENV)/.test $(CLIENTS_MODULES)/.ready  ## Take pictures of the demo page, on all screens and in all states, in dist/screenshots.
	@rm -rf dist/screenshots && mkdir -p dist/screenshots
	SCREENSHOTS="$(CURDIR)/dist/screenshots" $(VENV)/bin/python -m pytest -q tests/e2e/browser/test_demo_looks.py $(ARGS)

pictures: $(VENV)/.test $(BENCH_VENV)/.ready  ## Record docs/demo.png, docs/demo.gif and docs/terminal.svg from running demos.
	$(VENV)/bin/python -m tools.pictures.demo dist/frames
	$(BENCH_VENV)/bin/python -m tools.pictures.animate dist/frames docs/demo.gif
	$(VENV)/bin/python -m tools.pictures.terminal docs/terminal.svg

manifests: $(VENV)/.test $(DEPLOY_VENV)/.ready  ## Render deploy/manifests from the Helm chart.
	$(VENV)/bin/python -m tools.manifests

bench: $(VENV)/.test $(PEERS_MODULES)/.ready $(BENCH_VENV)/.ready  ## Benchmark the service and its peers (10 minutes); write benchmarks/RESULTS.md.
	PATH="$(CURDIR)/$(CLIENTS_VENV)/bin:$$PATH" $(VENV)/bin/python -m benchmarks $(ARGS)
	$(BENCH_VENV)/bin/python -m benchmarks.plot
	$(VENV)/bin/python -m benchmarks.parts
	$(VENV)/bin/python -m benchmarks.events
	$(VENV)/bin/python -m tools.readme_figures README.md

bench-quick: $(VENV)/.test  ## Compare the ratios with those of benchmarks/RESULTS.md, in about a minute.
	$(VENV)/bin/python -m benchmarks --quick $(ARGS)

soak: $(VENV)/.test $(BENCH_VENV)/.ready  ## Run the service for half an hour while things break; write benchmarks/SOAK.md (ARGS="--minutes 3").
	$(VENV)/bin/python -m benchmarks.soak $(ARGS)
	$(BENCH_VENV)/bin/python -m benchmarks.plot_soak

lock: $(VENV)/.test $(CLIENTS_VENV)/.ready  ## Regenerate the lock files (LOCK_FLAGS=--upgrade for newer releases).
	$(COMPILE) pyproject.toml locks/build.in --extra dev --extra otel --group test -o locks/test.txt
	$(COMPILE) pyproject.toml locks/build.in --extra dev -c locks/test.txt -o locks/dev.txt
	$(COMPILE) pyproject.toml --extra server --extra otel -c locks/test.txt -o locks/runtime.txt
	$(COMPILE) locks/build.in -c locks/test.txt -o locks/build.txt
	$(COMPILE) locks/localstack.in -o locks/localstack.txt
	$(COMPILE) locks/clients.in -o locks/clients.txt
	$(COMPILE) locks/bench.in -o locks/bench.txt
	$(COMPILE) locks/deploy.in -o locks/deploy.txt
	$(COMPILE) locks/audit.in -o locks/audit.txt
	$(COMPILE) locks/docs.in -o locks/docs.txt
	$(NPM) tools/site_scripts install --package-lock-only
	$(NPM) tests/e2e/clients install --package-lock-only
	$(NPM) tests/e2e/uploaders install --package-lock-only
	$(NPM) tests/e2e/npm install --package-lock-only
	$(NPM) benchmarks/peers install --package-lock-only

clean:  ## Remove the environments, the caches and the embedded S3's data.
	rm -rf $(VENV) $(LOCALSTACK_VENV) $(CLIENTS_VENV) $(BENCH_VENV) $(DEPLOY_VENV) $(AUDIT_VENV) $(DOCS_VENV) $(CLIENTS_MODULES) $(UPLOADERS_MODULES) tests/e2e/uploaders/*/node_modules $(NPM_MODULES) \
		$(PEERS_MODULES) $(SITE_MODULES) .site .uploadsvc .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "uploadsvc needs Python 3.11 or newer; this is %s. Try: make PYTHON=python3.12 ..." % sys.version.split()[0])'
	@echo "Setting up $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

# Each environment has a stamp file; a newer lock file triggers a new installation.
$(VENV)/.dev: locks/dev.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing what uploadsvc needs ..."
	$(call install,$(VENV),locks/dev.txt)
	@$(VENV)/bin/python $(PIP_INSTALL) --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/.test: locks/test.txt $(VENV)/.dev
	@echo "Installing what the tests need ..."
	$(call install,$(VENV),locks/test.txt)
	@touch $@

$(LOCALSTACK_VENV)/.ready: locks/localstack.txt
	@echo "Setting up LocalStack in $(LOCALSTACK_VENV) ..."
	@$(PYTHON) -m venv $(LOCALSTACK_VENV)
	$(call install,$(LOCALSTACK_VENV),locks/localstack.txt)
	@touch $@

$(CLIENTS_VENV)/.ready: locks/clients.txt
	@echo "Setting up the client generators and Node.js in $(CLIENTS_VENV) ..."
	@$(PYTHON) -m venv $(CLIENTS_VENV)
	$(call install,$(CLIENTS_VENV),locks/clients.txt)
	@touch $@

$(CLIENTS_MODULES)/.ready: tests/e2e/clients/package-lock.json tests/e2e/clients/package.json $(CLIENTS_VENV)/.ready
	@echo "Installing what the TypeScript clients need ..."
	@$(NPM) tests/e2e/clients ci --loglevel=error >/dev/null
	@touch $@

$(UPLOADERS_MODULES)/.ready: tests/e2e/uploaders/package-lock.json tests/e2e/uploaders/package.json $(CLIENTS_VENV)/.ready
	@echo "Installing the uploaders that are tested against the service ..."
	@$(NPM) tests/e2e/uploaders ci --loglevel=error >/dev/null
	@touch $@

$(NPM_MODULES)/.ready: tests/e2e/npm/package-lock.json tests/e2e/npm/package.json $(CLIENTS_VENV)/.ready
	@echo "Installing what the apps that use the npm package need ..."
	@$(NPM) tests/e2e/npm ci --loglevel=error >/dev/null
	@touch $@

$(PEERS_MODULES)/.ready: benchmarks/peers/package-lock.json benchmarks/peers/package.json $(CLIENTS_VENV)/.ready
	@echo "Installing the Node.js servers of the benchmarks ..."
	@$(NPM) benchmarks/peers ci --loglevel=error >/dev/null
	@touch $@

$(BENCH_VENV)/.ready: locks/bench.txt
	@echo "Setting up matplotlib in $(BENCH_VENV) ..."
	@$(PYTHON) -m venv $(BENCH_VENV)
	$(call install,$(BENCH_VENV),locks/bench.txt)
	@touch $@

$(DEPLOY_VENV)/.ready: locks/deploy.txt
	@echo "Setting up Helm's library in $(DEPLOY_VENV) ..."
	@$(PYTHON) -m venv $(DEPLOY_VENV)
	$(call install,$(DEPLOY_VENV),locks/deploy.txt)
	@touch $@

$(AUDIT_VENV)/.ready: locks/audit.txt
	@echo "Setting up what reads the lock files in $(AUDIT_VENV) ..."
	@$(PYTHON) -m venv $(AUDIT_VENV)
	$(call install,$(AUDIT_VENV),locks/audit.txt)
	@touch $@

$(DOCS_VENV)/.ready: locks/docs.txt
	@echo "Setting up Zensical in $(DOCS_VENV) ..."
	@$(PYTHON) -m venv $(DOCS_VENV)
	$(call install,$(DOCS_VENV),locks/docs.txt)
	@touch $@

$(SITE_MODULES)/.ready: tools/site_scripts/package-lock.json tools/site_scripts/package.json $(CLIENTS_VENV)/.ready
	@echo "Installing the scripts of the docs site ..."
	@$(NPM) tools/site_scripts ci --loglevel=error >/dev/null
	@touch $@
