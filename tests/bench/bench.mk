# make bench: numbers, beside Prosody and ejabberd. BENCH="--servers sallyport --measures messages" chooses; CHECK=1 measures Sallyport alone
# and compares with baseline.json, and what TLS between the processes costs (--measures split) with its target.
BENCH ?=
$(OUT)/bench/load: $(call objects,$(wildcard tests/bench/*.c)) $(OUT)/libproto.a $(OUT)/libcommon.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS_proto) -lgssapi_krb5
bench: ; @deploy/install-packages run $(if $(CHECK),,bench)
	@$(MAKE) -s $(JOBS) all build/release/bench/load
	@tests/bench/bench.py $(if $(CHECK),--check --servers sallyport) $(BENCH)
.PHONY: bench

# make soak: a mixed load for SOAK_SECONDS, failing on drift. soak-short is the same for half a minute.
SOAK_SECONDS ?= 3600
soak soak-short: ; @deploy/install-packages run
	@$(MAKE) -s $(JOBS) all build/release/bench/load
	@tests/bench/soak.py $(if $(filter soak-short,$@),--seconds 24 --slice 8,--seconds $(SOAK_SECONDS))
.PHONY: soak soak-short
