# make demo   three cards made and judged, three forgeries refused; leaves target/demo/
# make test   everything that must be true
# make bench  speed against the floor; writes target/bench.json
#
# Each target installs the Debian packages it misses (asking sudo only where needed).

CARGO ?= cargo

BUILD_PACKAGES := gcc libc6-dev pkg-config libssl-dev libpcsclite-dev
RUN_PACKAGES   := pcscd fonts-noto-core fonts-ocr-b libopenjp2-tools
TEST_PACKAGES  := opensc openssl

.PHONY: demo test bench lint build release packages test-packages clean

demo: packages release
	BITAQA_BIN=target/release personalizer/demo/demo.sh target/demo

test: test-packages build
	BITAQA_TESTS=all $(CARGO) test --workspace --locked
	BITAQA_BIN=target/debug personalizer/demo/demo.sh target/demo-test

bench: packages release
	$(CARGO) bench --locked -p personalizer

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

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
