# The one entry point. `make` alone lists what there is; after ./configure it builds what is installed.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := $(if $(wildcard config.mk),all,help)

-include config.mk
include packaging/install.mk

# The daemon that demo and lab run. KEEPALIVED_BIN=/usr/sbin/keepalived make demo: the same with the original.
BUILT := $(CURDIR)/target/release/keepalived
export KEEPALIVED_BIN ?= $(BUILT)

# What starts a guest: the tests of the same name, and one of the recipes.
IN_GUEST := binary(guest) or (binary(recipes) and test(/^lvs::with_nat/))

# Recipes with databases take minutes and want the machine for themselves, and one more guest takes its time:
# `make recipes` plays them.
LONG_RECIPES := binary(recipes) and test(/^(mysql::the_address|zabbix::the_address|lvs::with_direct)/)

# Scenarios wait most of the time, so many run at once, whatever the number of processors.
LAB_JOBS ?= 16

# cargo-nextest where it is installed (it runs every test in a process of its own), cargo's own runner elsewhere.
NEXTEST := $(shell command -v cargo-nextest 2>/dev/null)

.PHONY: help
help: ## what you can make
	@echo "keepalived: make TARGET"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## install the Debian packages that demo and tests need (as root, nothing if all is there)
	@scripts/setup

.PHONY: build
build: ## build for release: target/release/keepalived and target/release/keepalivedctl
	cargo build --release -p keepalived -p keepalivedctl

# Only the daemon that is asked for has to be built.
.PHONY: daemon
ifeq ($(KEEPALIVED_BIN),$(BUILT))
daemon: build
else
daemon:
	@test -x "$(KEEPALIVED_BIN)" || { echo "no daemon at $(KEEPALIVED_BIN)" >&2; exit 1; }
endif

.PHONY: demo
demo: setup daemon ## two routers and a client: watch a failover; then a balanced web service
	cargo build --quiet -p lab --bin demo
	@target/debug/demo examples/two-nodes
	@scripts/demo-balancer "$(KEEPALIVED_BIN)"

.PHONY: test
test: setup unit lab lab-guest ## everything that must pass: unit tests, simulations, the lab, the guest

.PHONY: unit
unit: ## tests that need no network
ifdef NEXTEST
	cargo nextest run --workspace --exclude lab --no-fail-fast --no-tests=pass
else
	cargo test --workspace --exclude lab --all-targets
endif
	cargo test --workspace --exclude lab --doc --quiet

# How many runs of each simulation; without it as many as `make unit` has.
SEEDS ?=
.PHONY: sim
sim: ## the election, groups, trackers, reloads, balanced services and every scenario of the lab in simulation: make sim SEEDS=100000
	VRRP_SEEDS=$(SEEDS) cargo test -p vrrp --test simulation --test groups_simulation --test reload -- --nocapture | \
	    awk '{ print } / of router time / { runs += $$(NF - 8); hours += $$(NF - 6) } \
	        END { printf "in all %d runs, %.2f years of router time\n", runs, hours / 24 / 365.25 }'
	LVS_SEEDS=$(SEEDS) cargo test -p director --test simulation -- --nocapture
	cargo test -p lab --test simulated
	VRRP_SEEDS=$(SEEDS) cargo test -p lab --test simulated_corpus -- --nocapture

.PHONY: lab
lab: setup daemon ## real daemons in network namespaces, ours and the original (as root)
ifdef NEXTEST
	cargo nextest run -p lab --no-fail-fast --test-threads $(LAB_JOBS) -E 'not ($(IN_GUEST)) and not ($(LONG_RECIPES))'
else
	cargo test -p lab --all-targets -- --test-threads $(LAB_JOBS) --skip the_table_is_what_the_original_makes --skip what_others_change_is_put_right --skip the_story_of_the_demo --skip a_router_in_a_vrf --skip lvs::with_ --skip mysql::the_address --skip zabbix::the_address
endif

# Each test is a machine of its own, emulated: one after the other, with nothing else beside. Where its kernel is to be had
# (Debian's, for x86-64) a guest that does not start is a failure; elsewhere nothing is tested, which is said here as well,
# because a runner of tests hides what those say that pass.
.PHONY: lab-guest
lab-guest: setup daemon ## virtual servers with a real ip_vs, in a guest kernel under QEMU
	@if scripts/guest -K >/dev/null; then export KEEPALIVED_GUEST=1; \
	else echo "lab-guest: SKIPPED: there is no kernel for a guest here, virtual servers are not tested with a real ip_vs" >&2; fi; \
	$(RUN_GUEST)
ifdef NEXTEST
lab-guest: RUN_GUEST = cargo nextest run -p lab --profile guest --no-fail-fast --test-threads 1 -E '$(IN_GUEST)'
else
lab-guest: RUN_GUEST = cargo test -p lab --test guest -- --nocapture --test-threads 1 && \
    cargo test -p lab --test recipes lvs::with_nat -- --nocapture --test-threads 1
endif

.PHONY: test-packages
test-packages: ## install the packages, the static binary and the source into roots of their own (as root; some minutes)
	scripts/test-packages

.PHONY: test-systemd
test-systemd: ## the life of the service under a real systemd, in the guest (as root; some minutes); DEBIAN=bullseye: an older one
	scripts/test-systemd

.PHONY: test-docs
test-docs: ## the commands of the guide and the recipes as they are written, in a booted Debian (as root; some minutes)
	scripts/test-docs

.PHONY: test-pair
test-pair: ## the MySQL and the Zabbix recipe as they are written on two nodes with systemd, in containers (as root; some minutes)
	scripts/test-pair

# How often what a soak repeats is repeated.
SOAK ?= 1000

.PHONY: soak
soak: setup daemon ## partitions, freezes, orders of appearance, failed checks and reloads, SOAK of each (1000); takes hours
ifdef NEXTEST
	KEEPALIVED_SOAK=$(SOAK) cargo nextest run -p lab --profile soak --no-fail-fast --test-threads $(LAB_JOBS) \
	    --test partitions --test lateness --test waiting --test reload --test soak
	KEEPALIVED_SOAK=$(SOAK) cargo nextest run -p director --profile soak --test soak
else
	KEEPALIVED_SOAK=$(SOAK) cargo test -p lab --test partitions --test lateness --test waiting --test reload --test soak -- --test-threads $(LAB_JOBS)
	KEEPALIVED_SOAK=$(SOAK) cargo test -p director --test soak -- --test-threads 1
endif

# How often each fault is made, and how many of them at once: they want to be measured.
FAULTS ?= 100
FAULT_JOBS ?= 4
FAULT_TABLE := $(CURDIR)/target/faults.tsv

.PHONY: faults
faults: setup daemon ## faults in the real kernel, FAULTS of each (100), and what each has cost (as root; takes hours)
	@mkdir -p target && : >$(FAULT_TABLE)
	@export KEEPALIVED_FAULTS=$(FAULTS) KEEPALIVED_FAULTS_REPORT=$(FAULT_TABLE); $(RUN_FAULTS) || failed=$$?; \
	printf 'fault\ttimes\tlost\tlongest without an answer\tmedian\tmoves at most\n' | cat - <(sort $(FAULT_TABLE)) | column -t -s $$'\t'; \
	exit $${failed:-0}
ifdef NEXTEST
faults: RUN_FAULTS = cargo nextest run -p lab --profile soak --no-fail-fast --test-threads $(FAULT_JOBS) --test faults
else
faults: RUN_FAULTS = cargo test -p lab --test faults -- --test-threads $(FAULT_JOBS)
endif

.PHONY: check
check: ## format, lints, documentation, the fence around the pure crates, tidiness
	@{ cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1 || rustup component add rustfmt clippy
	cargo fmt --all -- --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --workspace --no-deps --document-private-items --quiet
	@scripts/fence agentx base vrrp bfd lvs check director
	@if command -v cargo-deny >/dev/null; then cargo deny check bans licenses sources; \
	else echo "licences: cargo-deny is not installed, skipped (cargo install cargo-deny)"; fi
	@scripts/tidy

# What the tables of the sources say, as pages. Tests compare them with what is committed.
.PHONY: docs
docs: ## write the pages anew that are made from tables in the sources
	cargo build --quiet -p keepalivedctl
	target/debug/keepalivedctl keywords --format markdown >docs/reference/keepalived.conf.md
	target/debug/keepalivedctl keywords --format man >man/keepalived.conf.5
	target/debug/keepalivedctl lint --rules >docs/reference/lint.md

# The seeds are also replayed by a test. What is found is kept in fuzz/artifacts.
# conf: configurations; vrrp: adverts; bfd: datagrams; netlink: the kernel; check: answers of servers; search: patterns in
# pages; agentx: a master agent; daemon: messages between processes, records, tracked files, mail relays.
TARGET ?= conf vrrp bfd netlink check search agentx daemon
SECONDS ?= 60
.PHONY: fuzz
fuzz: ## any bytes through every reader, or through one, SECONDS each: make fuzz TARGET=vrrp SECONDS=600
	@cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz
	@for target in $(TARGET); do \
	    mkdir -p fuzz/found/$$target; \
	    cargo fuzz run -s none --fuzz-dir fuzz $$target fuzz/found/$$target fuzz/corpus/$$target -- \
	        -max_total_time=$(SECONDS) -timeout=10 -rss_limit_mb=256 -max_len=8192 -verbosity=0 -print_final_stats=1 || exit 1; \
	done

# Ratios of one run hold, absolute figures drift: nothing else should run meanwhile.
ORIGINAL ?= /usr/sbin/keepalived
ROUNDS ?= 1
ONLY ?=
.PHONY: bench
bench: build ## ours and the original side by side, into docs/benchmarks.md: make bench ROUNDS=3 (as root; twenty minutes a round)
	@scripts/setup bench
	scripts/bench/run --rounds $(ROUNDS) --only "$(ONLY)" $(if $(ONLY),,--page docs/benchmarks.md) original=$(ORIGINAL) ours=$(BUILT)

.PHONY: recipes
recipes: daemon ## docs/recipes from real packages, broken: how long the service was away (as root)
	@scripts/setup recipes
	KEEPALIVED_RECIPES=1 cargo test -p lab --test recipes -- --nocapture --test-threads 1

.PHONY: sanitize
sanitize: ## all unsafe code under AddressSanitizer, and the pure readers of bytes under Miri where it is installed (as root; some minutes)
	@scripts/sanitize

.PHONY: clean
clean: ## remove what was built
	cargo clean
