# make bench: numbers, beside Prosody and ejabberd. BENCH="--servers sallyport --measures messages", CHECK=1 compares with baseline.json.
BENCH ?=
$(OUT)/bench/load: $(call objects,$(wildcard tests/bench/*.c)) $(OUT)/libproto.a $(OUT)/libcommon.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS_proto)
bench: ; @deploy/install-packages run bench
	@$(MAKE) -s $(JOBS) all build/release/bench/load
	@tests/bench/bench.py $(if $(CHECK),--check) $(BENCH)
.PHONY: bench

# make soak: a mixed load for SOAK_SECONDS, failing on drift. soak-short is part of make test.
SOAK_SECONDS ?= 3600
soak soak-short: ; @deploy/install-packages run
	@$(MAKE) -s $(JOBS) all build/release/bench/load
	@tests/bench/soak.py $(if $(filter soak-short,$@),--seconds 24 --slice 8,--seconds $(SOAK_SECONDS))
.PHONY: soak soak-short
