# `make demo` shows Polis on the example, `make test` is what a change has to pass. Both need Rust and a C compiler.

POLIS = $(or $(CARGO_TARGET_DIR),target)/debug/polis

.PHONY: demo test web help

help:
	@echo "make demo   build Polis, check the example, explain an app of it, and run its machines on this one"
	@echo "make test   everything that a change has to pass"
	@echo "make web    build the style and the scripts of the pages, which takes npm"

demo: tools web
	@echo "== building Polis; the first time this takes two to three minutes"
	@cargo build --package polis
	@echo
	@echo "== polis check examples/aegean"
	@$(POLIS) check examples/aegean
	@echo
	@echo "== polis explain app nextcloud --lab examples/aegean"
	@$(POLIS) explain app nextcloud --lab examples/aegean
	@echo
	@echo "== polis demo examples/aegean"
	@exec $(POLIS) demo examples/aegean

# Begins with `web`, and looks at the pages in a browser.
test: tools
	@cargo xtask ci

# Without it the pages are whole, but plain.
web: tools
	@if command -v npm >/dev/null || [ -x target/tools/bin/npm ]; then \
	  echo "== building the style and the scripts of the pages"; \
	  cargo xtask web || echo "they could not be built, and the pages are plain: the lines above say why"; \
	else \
	  echo "== npm is not here: the pages will have no style and no scripts, and everything is on them all the same"; \
	fi

.PHONY: tools
tools:
	@command -v cargo >/dev/null || { \
	  echo "Polis is built with Rust, and \`cargo\` is not here."; \
	  echo "Install Rust 1.95 or newer: https://rustup.rs, or your distribution's packages cargo and rustc."; \
	  exit 1; }
	@command -v cc >/dev/null || { \
	  echo "Polis is built with a C compiler (for SQLite and TLS), and \`cc\` is not here."; \
	  echo "Install it: \`apt install gcc libc6-dev\`, or your distribution's package gcc."; \
	  exit 1; }
	@case "$$(uname -s)" in Linux) ;; *) \
	  echo "Polis runs on Linux; this is $$(uname -s)."; exit 1;; esac
