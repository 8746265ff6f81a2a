# make demo      a whole mail system on loopback, until Ctrl-C; with DEMO_EXIT=1 it ends by itself
# make check     what needs no servers: format, lints, documentation, unit and house tests
# make test      everything that must hold before a change is accepted
# make test-machine  the package on a booted Debian 12 and 13: set up by one command and by hand under load, upgraded, undone
# make deb       the Debian package, below target/deb/release; make image: an OCI image of it, below target/image
# make test-nodes  three nodes on Galera and Redis under faults for a quarter of an hour; KEYDOVE_TEST_SEED, KEYDOVE_NODES_SECONDS
# make test-versions  logins, check, events and outages with Keycloak 24, 25, 26.2 and 26.7
# make docs      the pages that are made from the source
# make fuzz      every parser fuzzed for a minute
# make bench     hashes beside the bcrypt crate; logins beside an echo server, Dovecot and Keycloak, as ratios
# make bench-instructions  what a login of somebody known costs by step, in instructions and allocations; needs valgrind
# make coverage  which lines the tests reach; needs `cargo install cargo-llvm-cov`
# make setup     what all but check need, once: Debian packages, Keycloak, the test realm

.PHONY: demo check test test-machine test-nodes test-versions docs deb image fuzz bench bench-instructions coverage setup
export DEMO_EXIT

demo: setup
	cargo build --workspace --bins --example demo
	cargo run --quiet --example demo

# `--workspace` everywhere: with other features for each command, crates would be built more than once.
check:
	$(LINTS)
	cargo test --workspace --no-run $(QUICK)
	@$(DOC_BESIDE) cargo test --workspace $(QUICK); $(AND_DOC)

# What needs servers and what needs none is built at once, so that no processor waits for the last of the first.
test: setup
	$(LINTS)
	cargo test --workspace --no-run $(QUICK) --test databases --test services --test nodes
	@$(DOC_BESIDE) cargo test --workspace $(QUICK); $(AND_DOC)
	@$(NODES_BESIDE) cargo test --workspace --test databases; $(AND_NODES)
	cargo test --workspace --test services

LINTS = cargo fmt --all --check && cargo clippy --workspace --all-targets -- -D warnings
QUICK = --lib --bins --test house --test handlers

# The documentation keeps one processor busy for half a minute, and these tests mostly wait. Both commands lock the build for a
# moment; the tests should come first, and if they do not, they only begin later.
DOC_BESIDE = { sleep 2; RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items; } \
	>target/documentation.log 2>&1 & doc=$$!;
AND_DOC = tests=$$?; wait $$doc || { cat target/documentation.log; exit 1; }; exit $$tests

# Both mostly wait.
NODES_BESIDE = cargo test --workspace --test nodes >target/nodes.log 2>&1 & nodes=$$!;
AND_NODES = tests=$$?; wait $$nodes || tests=1; cat target/nodes.log; exit $$tests

test-machine: setup
	tests/machine/run

# Without a number of seconds it would be the short run of `make test`.
test-nodes: export KEYDOVE_NODES_SECONDS ?= 780
test-nodes: setup
	cargo test --workspace --test nodes

deb:
	packaging/deb

image:
	packaging/image

test-versions: setup
	tests/versions/run

docs:
	WRITE_DOCS=1 cargo test --test house manual

fuzz:
	fuzz/run

bench: setup
	cargo bench --bench hashing
	cargo bench --bench login

bench-instructions:
	cargo bench --bench instructions

# Each step adds to the profiles of the one before, and a failed case does not cost the number. A keydove that ends writes its
# profile; one that a case kills does not, which loses only what that process ran.
coverage: setup
	cargo llvm-cov clean --workspace
	-cargo llvm-cov --no-report --workspace --lib --bins --test house --test databases
	-$(COVERAGE_SERVICES)
	cargo llvm-cov report --summary-only --ignore-filename-regex '/(tests|stage|benches|examples)/'

# `make coverage COVERAGE_SERVICES=true` leaves the services out: minutes instead of an hour.
COVERAGE_SERVICES = cargo llvm-cov --no-report --workspace --test services

setup:
	@tests/setup
