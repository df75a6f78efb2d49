# make deb: a package for each program of PROGRAMS and one for sallyportctl, in build/deb (deploy/deb/README.md).
DEB_OUT := build/deb

deb: export SOURCE_DATE_EPOCH ?= $(shell deploy/deb/epoch.sh)
deb: all
	$(if $(SAN),$(error packages are made without sanitizers))
	@rm -rf $(DEB_OUT)/root && mkdir -p $(DEB_OUT)
	@$(MAKE) -s install DESTDIR=$(abspath $(DEB_OUT))/root PREFIX=/usr
	deploy/deb/build.sh $(DEB_OUT)/root $(DEB_OUT) $(VERSION) $(PROGRAMS)
	@rm -rf $(DEB_OUT)/root
.PHONY: deb
