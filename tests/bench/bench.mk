# make bench: numbers, beside Prosody and ejabberd. BENCH="--servers sallyport --measures messages", CHECK=1 compares with baseline.json.
BENCH ?=
$(OUT)/bench/load: $(call objects,$(wildcard tests/bench/*.c)) $(OUT)/libproto.a $(OUT)/libcommon.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS_proto)
bench: ; @deploy/install-packages run bench
	@$(MAKE) -s $(JOBS) all build/release/bench/load
	@tests/bench/bench.py $(if $(CHECK),--check) $(BENCH)
.PHONY: bench
