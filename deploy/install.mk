# make install: FHS, DESTDIR. Programs in sbin, sallyportctl in bin, manual pages, an example file for each process.
bindir = $(PREFIX)/bin
sbindir = $(PREFIX)/sbin
mandir = $(PREFIX)/share/man
docdir = $(PREFIX)/share/doc/sallyport
sysconfdir = /etc

install: all
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(sbindir) $(DESTDIR)$(docdir) $(DESTDIR)$(sysconfdir)/sallyport
	install -m 755 $(foreach p,$(PROGRAMS),$(OUT)/sallyport-$(p)) $(DESTDIR)$(sbindir)
	install -m 755 $(OUT)/sallyportctl $(DESTDIR)$(bindir)
	install -m 755 deploy/acme/sallyport-deploy-hook $(DESTDIR)$(sbindir)
	install -m 644 README.md CHANGELOG LICENSE proto/LINK.md proto/NAMES.md deploy/alerts.yml deploy/metrics.txt deploy/audit-events.txt $(filter-out deploy/README.md,$(wildcard deploy/*.md)) $(DESTDIR)$(docdir)
	install -d $(DESTDIR)$(docdir)/examples && install -m 644 deploy/examples/*.conf $(DESTDIR)$(docdir)/examples
	install -d $(DESTDIR)$(docdir)/directory && install -m 644 deploy/directory/* $(DESTDIR)$(docdir)/directory
	deploy/man/build.sh $(OUT)/man $(OUT) deploy/man
	install -d $(DESTDIR)$(mandir)/man1 $(DESTDIR)$(mandir)/man5 $(DESTDIR)$(mandir)/man8
	for page in $(OUT)/man/*.[158]; do install -m 644 $$page $(DESTDIR)$(mandir)/man$${page##*.}/ || exit 1; done
.PHONY: install
