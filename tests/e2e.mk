# Programs that e2e's tests run, linked with everything as unit tests are.
$(OUT)/e2e/%: $(OUT)/tests/e2e/%.o $(OUT)/libin-sm.a $(OUT)/libproto.a $(OUT)/libcommon.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS_sm)
unit-build: $(patsubst tests/e2e/%.c,$(OUT)/e2e/%,$(wildcard tests/e2e/*.c))
