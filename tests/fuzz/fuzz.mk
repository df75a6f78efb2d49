# Fuzzing with clang's libFuzzer: one target for each tests/fuzz/fuzz_X.c, with its seeds in tests/fuzz/corpus/X.
#   make fuzz                 each target for FUZZ_SECONDS (60), growing a corpus in build/fuzz/corpus
#   make fuzz-short           the seeds and the same FUZZ_RUNS (50000) changes of them each time, for
#                             every day: what it finds is the fault of a change in the code
#   make fuzz-X               one target
FUZZ_SECONDS ?= 60
FUZZ_RUNS ?= 50000
FUZZ_CC ?= clang
FUZZ_OUT := build/fuzz
FUZZ_SAN := -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_CFLAGS = -std=gnu11 -O1 -g -Wall -Wextra -fno-omit-frame-pointer -fno-strict-aliasing $(FUZZ_SAN) -fsanitize=fuzzer-no-link
FUZZ_FLAGS = -timeout=10 -rss_limit_mb=1024 -max_len=16384 -print_final_stats=1 -artifact_prefix=$(FUZZ_OUT)/

fuzz_names := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz_objects = $(patsubst %.c,$(FUZZ_OUT)/%.o,$(1))

# What a target links beyond common and proto: fuzz_libs_X.
fuzz_libs_sasl := $(FUZZ_OUT)/libauth.a
fuzz_libs_certificate := $(FUZZ_OUT)/libauth.a
fuzz_libs_directory := $(FUZZ_OUT)/libauth.a
fuzz_libs_conf := $(FUZZ_OUT)/libtables.a
fuzz_libs_gate := $(FUZZ_OUT)/libgate.a

fuzz: $(addprefix fuzz-run-,$(fuzz_names))
fuzz-short: $(addprefix fuzz-repeat-,$(fuzz_names))
fuzz-build: $(addprefix $(FUZZ_OUT)/fuzz_,$(fuzz_names))
$(addprefix fuzz-,$(fuzz_names)): fuzz-%: fuzz-run-%

# Findings stay in build/fuzz as crash-…, timeout-… and so on: each becomes a seed and a unit test.
fuzz-run-%: $(FUZZ_OUT)/fuzz_%
	@mkdir -p $(FUZZ_OUT)/corpus/$*
	@echo "fuzz $*: $(FUZZ_SECONDS) s"
	@$< $(FUZZ_FLAGS) -max_total_time=$(FUZZ_SECONDS) \
		$(FUZZ_OUT)/corpus/$* $(wildcard tests/fuzz/corpus/$*) >$(FUZZ_OUT)/$*.log 2>&1 \
		|| { tail -n 60 $(FUZZ_OUT)/$*.log; exit 1; }

fuzz-repeat-%: $(FUZZ_OUT)/fuzz_%
	@rm -rf $(FUZZ_OUT)/new/$* && mkdir -p $(FUZZ_OUT)/new/$*
	@echo "fuzz $*: $(FUZZ_RUNS) runs"
	@$< $(FUZZ_FLAGS) -seed=1 -runs=$(FUZZ_RUNS) $(FUZZ_OUT)/new/$* $(wildcard tests/fuzz/corpus/$*) >$(FUZZ_OUT)/$*.log 2>&1 \
		|| { tail -n 60 $(FUZZ_OUT)/$*.log; exit 1; }

$(FUZZ_OUT)/libcommon.a: $(call fuzz_objects,$(src_common))
$(FUZZ_OUT)/libproto.a: $(call fuzz_objects,$(src_proto))
$(FUZZ_OUT)/libauth.a: $(call fuzz_objects,$(wildcard sm/auth/*.c sm/directory/*.c))
$(FUZZ_OUT)/libtables.a: $(call fuzz_objects,c2s/conf.c router/conf.c $(filter-out sm/confine.c,$(wildcard sm/conf*.c)) sm/search_map.c sm/vcard.c sm/directory/entry.c sm/auth/source.c sm/auth/trust.c sm/auth/certificate.c sm/directory/filter.c sm/directory/uri.c sm/store/postgres_host.c)
$(FUZZ_OUT)/libgate.a: $(call fuzz_objects,c2s/alone.c c2s/proxy.c)
$(FUZZ_OUT)/lib%.a:
	@rm -f $@
	$(AR) rcs $@ $^

$(FUZZ_OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(FUZZ_CC) $(CPPFLAGS) $(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<

.SECONDEXPANSION:
$(FUZZ_OUT)/fuzz_%: $(FUZZ_OUT)/tests/fuzz/fuzz_%.o $$(fuzz_libs_$$*) $(FUZZ_OUT)/libproto.a $(FUZZ_OUT)/libcommon.a
	$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS_sm)

.PRECIOUS: $(FUZZ_OUT)/%.o $(FUZZ_OUT)/fuzz_%
-include $(shell find $(FUZZ_OUT) -name '*.d' 2>/dev/null)
.PHONY: fuzz fuzz-short fuzz-build
