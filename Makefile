# Yunei 域内. Every target does its own set-up; nothing is installed outside this folder.
SHELL := /bin/bash
NODE = $(firstword $(wildcard node_modules/node-*/bin/node node_modules/node-bin-*/bin/node))
STAMP = node_modules/.yunei-setup
OUT ?= out/demo
COMPANIES ?= 20000
JOBS ?= 2
BENCH_STAMP = bench/node_modules/.yunei-setup

.PHONY: setup demo test check bench real-data clean

setup: $(STAMP)

# npm ci from the lock file, no install scripts. onnxruntime-node ships binaries of all platforms: those of others are removed.
$(STAMP): package-lock.json package.json .npmrc
	npm ci --no-audit --no-fund --loglevel=error
	rm -rf $(foreach os,win32 $(if $(filter Darwin,$(shell uname -s)),linux,darwin),node_modules/onnxruntime-node/bin/napi-v6/$(os))
	@touch $(STAMP)

# A bank and five data providers on generated data: align, bin under encryption, train, evaluate, score, report.
demo: setup
	$(NODE) cli/main.ts demo --companies $(COMPANIES) --out $(OUT)

# Two files at a time: each starts what it needs in folders and on ports of its own.
test: setup
	NODE_COMPILE_CACHE="$(CURDIR)/node_modules/.cache/compiled" PATH="$(CURDIR)/$(dir $(NODE)):$$PATH" $(NODE) node_modules/mocha/bin/mocha.js --parallel --jobs $(JOBS) 'test/**/*.test.ts'

check: setup
	$(NODE) node_modules/typescript/bin/tsc --noEmit
	PATH="$(CURDIR)/$(dir $(NODE)):$$PATH" $(NODE) node_modules/oxlint/bin/oxlint --type-aware --deny-warnings

# Figures beside baselines in the same run. The baselines have a lock file of their own, so that nobody else installs them.
# BENCH='--only kernel,psi' runs some sections, BENCH=--full the large sizes too.
bench: setup $(BENCH_STAMP)
	$(NODE) bench/main.ts $(BENCH)

$(BENCH_STAMP): bench/package-lock.json bench/package.json bench/.npmrc
	npm ci --prefix bench --no-audit --no-fund --loglevel=error
	@touch $(BENCH_STAMP)

# The main job on the real loans beside the repository, with the bars of test AUC.
real-data: setup
	$(NODE) scripts/real-data.ts

clean:
	rm -rf out node_modules bench/node_modules
