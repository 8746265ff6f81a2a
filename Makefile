# make demo    a whole mail system on loopback, until Ctrl-C; with DEMO_EXIT=1 it ends by itself
# make test    everything that must hold before a change is accepted
# make test-versions    logins, check, events and outages with Keycloak 24, 25, 26.2 and 26.7
# make fuzz    every parser fuzzed for a minute
# make bench   hashes beside the bcrypt crate; logins beside an echo server, Dovecot and Keycloak, as ratios
# make setup   what both need, once: Debian packages, Keycloak, the test realm

.PHONY: demo test test-versions fuzz bench setup
export DEMO_EXIT

demo: setup
	cargo build --bins --example demo
	cargo run --quiet --example demo

test: setup
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items
	cargo build
	cargo test --lib --bins --tests

test-versions: setup
	tests/versions/run

fuzz:
	fuzz/run

bench: setup
	cargo bench --bench hashing
	cargo bench --bench login

setup:
	@tests/setup
