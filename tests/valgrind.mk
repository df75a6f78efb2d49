# make valgrind: the unit tests and some of the end-to-end tests, without sanitizers, under valgrind's memcheck. An error or a definite leak fails it.
VALGRIND := valgrind -q --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --error-exitcode=99 --num-callers=30 \
	--suppressions=$(CURDIR)/tests/valgrind.supp
VALGRIND_E2E ?= tests/e2e/test_first.py tests/e2e/test_bind.py tests/e2e/test_delivery.py tests/e2e/test_component.py tests/e2e/test_ctl.py
valgrind_units := $(patsubst tests/unit/%.c,valgrind-%,$(wildcard tests/unit/test_*.c))

valgrind: ; @deploy/install-packages run test
	@$(MAKE) -s $(JOBS) all unit-build
	@$(MAKE) -s -k $(JOBS) $(valgrind_units)
	@SALLYPORT_BIN=build/release SALLYPORT_WRAP="$(VALGRIND)" /usr/bin/python3 -m pytest -q -p no:cacheprovider $(VALGRIND_E2E)
valgrind-test_%:
	@mkdir -p $(OUT)/valgrind
	@$(VALGRIND) $(OUT)/unit/test_$* >$(OUT)/valgrind/test_$* 2>&1 || { echo "test_$*:"; cat $(OUT)/valgrind/test_$*; exit 1; }
.PHONY: valgrind $(valgrind_units)
