# make stability: 10,000 connects, 10,000 logins of each kind, without sanitizers, so that memory is what it is. Nothing may grow. About ten minutes.
STABILITY_CYCLES ?= 10000
stability: ; @deploy/install-packages run test
	@$(MAKE) -s $(JOBS) all
	@STABILITY_CYCLES=$(STABILITY_CYCLES) SALLYPORT_BIN=build/release /usr/bin/python3 -m pytest -q -s -p no:cacheprovider tests/e2e/test_stability.py
.PHONY: stability
