# make demo   three cards made and judged, three forgeries refused; leaves target/demo/
# make first-year   a ministry's first year: every command of the national PKI, all keys in a token; leaves target/first-year/
# make test   everything that must be true
# make bench  speed against the floor; writes target/bench.json
# make fuzz   every parser and the soft card under a sanitizer, a few seconds each
# make interruptions  every command of the PKI killed and out of space at far more of its writes than make test does; many minutes
# make interop  cards on four kinds of chips, and OpenSC, ssh-keygen and OpenSSL that use them, through the real pcscd
#
# Each target installs the Debian packages it misses (asking sudo only where needed).

CARGO ?= cargo

BUILD_PACKAGES := gcc libc6-dev pkg-config libssl-dev libpcsclite-dev
RUN_PACKAGES   := pcscd fonts-noto-core fonts-ocr-b libopenjp2-tools
TEST_PACKAGES  := opensc openssl openssh-client softhsm2 strace faketime

# Where cargo-fuzz is installed, and how long each target runs.
CARGO_FUZZ         := target/tools/bin/cargo-fuzz
CARGO_FUZZ_VERSION := 0.13.2
FUZZ_SECONDS       ?= 5
FUZZ_TARGETS       := $(wildcard */fuzz/seeds/*)

.PHONY: demo first-year test bench fuzz interruptions interop lint build release packages test-packages clean

first-year: test-packages release
	BITAQA_BIN=target/release pki/demo/first-year.sh target/first-year

demo: packages release
	BITAQA_BIN=target/release personalizer/demo/demo.sh target/demo

# Programs and tests are built by one command: built apart, half of the dependencies come out twice.
test: test-packages
	$(CARGO) build --workspace --locked --lib --bins --tests
	BITAQA_TESTS=all $(CARGO) test --workspace --locked
	BITAQA_BIN=target/debug personalizer/demo/demo.sh target/demo-test
	BITAQA_BIN=target/debug pki/demo/first-year.sh target/first-year-test
	BITAQA_BIN=target/debug personalizer/demo/fingers.sh target/fingers-test
	BITAQA_BIN=target/debug personalizer/demo/cards.sh target/cards-test
	BITAQA_BIN=target/debug personalizer/demo/residence.sh target/residence-test

bench: test-packages release
	$(CARGO) bench --locked -p personalizer

# RUSTC_BOOTSTRAP lets the stable compiler take cargo-fuzz's sanitizer switch: for these commands only. What is found grows in
# target/fuzz/corpus; the seeds stay as they are.
fuzz: packages $(CARGO_FUZZ)
	@set -e; for seeds in $(FUZZ_TARGETS); do \
		target=$${seeds##*/}; \
		mkdir -p target/fuzz/corpus/$$target target/fuzz/artifacts/$$target; \
		RUSTC_BOOTSTRAP=1 $(CARGO_FUZZ) run --fuzz-dir $${seeds%/seeds/*} --target-dir target/fuzz $$target \
			target/fuzz/corpus/$$target $$seeds \
			-- -max_total_time=$(FUZZ_SECONDS) -max_len=8192 -timeout=10 -rss_limit_mb=1024 \
			-artifact_prefix=target/fuzz/artifacts/$$target/; \
	done

interruptions: test-packages
	BITAQA_TESTS=all BITAQA_INTERRUPTIONS=all $(CARGO) test --locked -p pki-cli --test interruptions -- --nocapture
	BITAQA_INTERRUPTIONS=all $(CARGO) test --locked -p perso --test personalization whole -- --nocapture

interop: test-packages build
	BITAQA_BIN=target/debug personalizer/demo/cards.sh target/cards-test
	BITAQA_TESTS=all $(CARGO) test --locked -p soft-card --test interop

$(CARGO_FUZZ):
	$(CARGO) install --locked --root target/tools --version $(CARGO_FUZZ_VERSION) cargo-fuzz

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --lib --no-deps --locked
	for fuzz in */fuzz/Cargo.toml; do \
		$(CARGO) clippy --manifest-path $$fuzz --all-targets --locked --target-dir target/fuzz -- -D warnings || exit 1; \
	done

build: packages
	$(CARGO) build --workspace --locked

release: packages
	$(CARGO) build --workspace --locked --release

packages:
	@.ci/install-packages $(BUILD_PACKAGES) $(RUN_PACKAGES)

test-packages: packages
	@.ci/install-packages $(TEST_PACKAGES)

clean:
	$(CARGO) clean
