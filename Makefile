# `make demo` shows Polis on the example, `make test` is what a change has to pass. Both need Rust and nothing else.

DEMO_PORT = 10053
POLIS = $(or $(CARGO_TARGET_DIR),target)/debug/polis

.PHONY: demo test help

help:
	@echo "make demo   build Polis, check the example, explain an app of it, and answer its names on this machine"
	@echo "make test   everything that a change has to pass"

demo: rust
	@echo "== building Polis; the first time this takes two to three minutes"
	@cargo build --package polis
	@echo
	@echo "== polis check examples/aegean"
	@$(POLIS) check examples/aegean
	@echo
	@echo "== polis explain app nextcloud --lab examples/aegean"
	@$(POLIS) explain app nextcloud --lab examples/aegean
	@echo
	@echo "== polis run --lab examples/aegean --machine naxos --listen 127.0.0.1:$(DEMO_PORT)"
	@echo
	@echo "   Try, in another terminal:"
	@echo "     dig @127.0.0.1 -p $(DEMO_PORT) cloud.lab.example.net +short"
	@echo "     dig @127.0.0.1 -p $(DEMO_PORT) -x 10.10.50.10 +short"
	@echo "   Change a file in examples/aegean and ask again. Ctrl-C ends it."
	@echo
	@exec $(POLIS) run --lab examples/aegean --machine naxos --listen 127.0.0.1:$(DEMO_PORT)

test: rust
	@cargo xtask ci

.PHONY: rust
rust:
	@command -v cargo >/dev/null || { \
	  echo "Polis is built with Rust, and \`cargo\` is not here."; \
	  echo "Install Rust 1.95 or newer: https://rustup.rs, or your distribution's packages cargo and rustc."; \
	  exit 1; }
