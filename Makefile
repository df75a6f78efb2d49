# Sallyport. `make run` and `make test` are all that a newcomer needs; `make help` lists the rest.
# One Makefile, not recursive: sources are found by wildcard, output is in build/, nothing needs registration.

VERSION := 0.1.0
SAN ?=
COMPILER ?= gcc
OUT := build/$(if $(SAN),san,release)$(if $(filter clang,$(COMPILER)),-clang)
CC := $(COMPILER)
PKG_COMMON := libuv gnutls nettle libconfuse libseccomp
PKG_PROTO := libxml-2.0 libidn2
PKG_SM := libsasl2 sqlite3 ldap lber libpq krb5-gssapi krb5
PKG_CTL := jansson
PKGS := $(PKG_COMMON) $(PKG_PROTO) $(PKG_SM) $(PKG_CTL)

ifeq ($(filter packages packages-% help clean,$(MAKECMDGOALS)),)
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
endif
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat-security -Wvla -Werror
CPPFLAGS += -I. -D_GNU_SOURCE -DVERSION='"$(VERSION)"' $(PKG_CFLAGS)
ifdef SAN
CFLAGS += -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS += -fsanitize=address,undefined
else
# The prefix map keeps the folder of the build out of the symbols: packages are the same wherever they are made.
CFLAGS += -O2 -g -fstack-clash-protection -ffile-prefix-map=$(CURDIR)=.
CPPFLAGS += -D_FORTIFY_SOURCE=3 -Wdate-time
endif
CFLAGS += -std=gnu11 $(WARN) -fstack-protector-strong -fPIE -fno-strict-aliasing
LDFLAGS += -pie -Wl,-z,relro,-z,now

LIBS_common = $(shell pkg-config --libs $(PKG_COMMON)) -lpthread
LIBS_proto = $(shell pkg-config --libs $(PKG_PROTO)) -lunistring $(LIBS_common)
LIBS_sm = $(shell pkg-config --libs $(PKG_SM)) $(LIBS_proto) -lresolv -lm
LIBS_ctl = $(shell pkg-config --libs $(PKG_CTL)) $(LIBS_common)

PROGRAMS := router c2s sm
src_common := $(wildcard common/*.c)
src_proto := $(wildcard proto/*.c)
src_router := $(wildcard router/*.c)
src_c2s := $(wildcard c2s/*.c)
src_sm := $(wildcard sm/*.c sm/auth/*.c sm/directory/*.c sm/store/*.c sm/ext/*.c)
src_ctl := $(wildcard deploy/ctl/*.c)
objects = $(patsubst %.c,$(OUT)/%.o,$(1))

BINARIES := $(foreach p,$(PROGRAMS),$(if $(src_$(p)),$(OUT)/sallyport-$(p))) $(if $(src_ctl),$(OUT)/sallyportctl)

all: $(BINARIES)

$(OUT)/libcommon.a: $(call objects,$(src_common))
$(OUT)/libproto.a: $(call objects,$(src_proto))
$(OUT)/lib%-main.a: ;
$(OUT)/lib%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcs $@ $^

# A program's modules but main.c, so that its unit tests can link them.
$(foreach p,$(PROGRAMS),$(eval $(OUT)/libin-$(p).a: $(call objects,$(filter-out $(p)/main.c,$(src_$(p))))))

$(OUT)/sallyport-router: $(OUT)/router/main.o $(OUT)/libin-router.a $(OUT)/libproto.a $(OUT)/libcommon.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS_proto)
$(OUT)/sallyport-c2s: $(OUT)/c2s/main.o $(OUT)/libin-c2s.a $(OUT)/libproto.a $(OUT)/libcommon.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS_proto)
$(OUT)/sallyport-sm: $(OUT)/sm/main.o $(OUT)/libin-sm.a $(OUT)/libproto.a $(OUT)/libcommon.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS_sm)
$(OUT)/libin-ctl.a: $(call objects,$(filter-out deploy/ctl/main.c,$(src_ctl)))
$(OUT)/sallyportctl: $(OUT)/deploy/ctl/main.o $(OUT)/libin-ctl.a $(OUT)/libcommon.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS_ctl)

$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
$(OUT)/common/service.o: Makefile # has VERSION in it

# Unit tests: tests/unit/test_X.c, linked with everything; main() is the test's own (cmocka).
unit_tests := $(patsubst tests/unit/%.c,$(OUT)/unit/%,$(wildcard tests/unit/test_*.c))
$(OUT)/unit/%: $(OUT)/tests/unit/%.o $(OUT)/libin-sm.a $(OUT)/libin-c2s.a $(OUT)/libin-router.a $(OUT)/libin-ctl.a $(OUT)/libproto.a $(OUT)/libcommon.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS_sm) $(LIBS_ctl)
unit-build: $(unit_tests)
.PRECIOUS: $(OUT)/%.o

# --- what users and developers call --------------------------------------------------------------------------

JOBS := -j$(shell nproc)
DIR ?= build/run
AUTH ?= internal
DESTDIR ?=
PREFIX ?= /usr
SUITES := unit boundary lint interop chaos fuzz-short e2e
have_suites = $(foreach s,$(SUITES),$(if $(or $(filter unit lint fuzz-short,$(s)),$(wildcard tests/$(s)/test_*.py)),$(s)))

help:
	@echo "make run      a cluster on loopback, with two accounts, ready for any client (make stop ends it)"
	@echo "              AUTH=ldap: its accounts are in an OpenLDAP server of its own"
	@echo "make test     every test; make test-unit, test-lint, test-e2e, test-interop, test-chaos, test-boundary: one kind"
	@echo "make bench    numbers; make fuzz, make soak, make valgrind: the long forms; make lint"
	@echo "make orders   every order of loss, delay and death in larger worlds of the channel; takes minutes"
	@echo "make all      builds; SAN=1 with sanitizers; make install DESTDIR=…; make deb; make clean"

run:
	@deploy/install-packages run $(filter ldap,$(AUTH))
	@$(MAKE) -s $(JOBS) all
	@deploy/first-steps $(DIR) $(AUTH)
stop:
	@deploy/local-cluster down --dir $(DIR)

test:
	@deploy/install-packages run test
	@$(MAKE) -s $(JOBS) SAN=1 all unit-build
	@tests/run --build build/san $(have_suites)
test-%:
	@deploy/install-packages run test
	@$(MAKE) -s $(JOBS) SAN=1 all unit-build
	@tests/run --build build/san $*
lint: test-lint
# The channel's every order of events in larger worlds, without sanitizers: minutes.
orders: $(OUT)/unit/test_channel_orders
	CHANNEL_DEEP=1 $<
	CHANNEL_SEEDS=1000000 $<

clean:
	rm -rf build

-include $(wildcard sm/store/*.mk) $(wildcard tests/*.mk) $(wildcard tests/fuzz/fuzz.mk) $(wildcard tests/bench/bench.mk) $(wildcard deploy/*.mk)
-include $(shell find $(OUT) -name '*.d' 2>/dev/null)
.PHONY: all help run stop test lint orders clean unit-build
.DEFAULT_GOAL := all
