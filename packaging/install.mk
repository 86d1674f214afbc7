# Installing: by hand after ./configure, and into the folders packages are made of. Included by the Makefile.

# Where ./configure was not run.
CARGO ?= cargo
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
SYSCONFDIR ?= $(PREFIX)/etc
DATADIR ?= $(PREFIX)/share
MANDIR ?= $(DATADIR)/man
DOCDIR ?= $(DATADIR)/doc/keepalived
UNITDIR ?=
TARGET ?=

# What is read without -f, where ./configure chose another place than the system's own.
ifneq ($(if $(wildcard config.mk),$(SYSCONFDIR),/etc),/etc)
export KEEPALIVED_CONFIGURATION := $(SYSCONFDIR)/keepalived/keepalived.conf
endif

PROGRAMS := keepalived keepalivedctl
BUILT_IN := target$(if $(TARGET),/$(firstword $(subst .2.28,,$(TARGET))))/release
PAGES := $(wildcard man/*.[1-9])
DBUS_INTERFACES := org.keepalived.Vrrp1.Vrrp.xml org.keepalived.Vrrp1.Instance.xml
SAMPLES := $(wildcard examples/samples/*)

.PHONY: all
all: ## build what is installed
	$(CARGO) build --release $(if $(TARGET),--target $(TARGET)) $(PROGRAMS:%=-p %)

.PHONY: install
install: ## install what `make` has built, below DESTDIR if that is given
	@for program in $(PROGRAMS); do \
	    test -x $(BUILT_IN)/$$program || { echo "install: $(BUILT_IN)/$$program is not built yet: run make first" >&2; exit 1; }; \
	done
	install -D -m 755 $(BUILT_IN)/keepalived "$(DESTDIR)$(SBINDIR)/keepalived"
	install -D -m 755 $(BUILT_IN)/keepalivedctl "$(DESTDIR)$(BINDIR)/keepalivedctl"
	@# The daemon's executable is genhash too, by that name.
	ln -sf "$(SBINDIR)/keepalived" "$(DESTDIR)$(BINDIR)/genhash"
	install -D -m 644 examples/samples/keepalived.conf.sample "$(DESTDIR)$(SYSCONFDIR)/keepalived/keepalived.conf.sample"
	@# Instructions copy keepalived.conf from here; an operator's own is never touched.
	@if [ ! -e "$(DESTDIR)$(SYSCONFDIR)/keepalived/keepalived.conf" ] && [ "$(SYSCONFDIR)" != /etc ]; then \
	    ln -sf keepalived.conf.sample "$(DESTDIR)$(SYSCONFDIR)/keepalived/keepalived.conf"; \
	fi
	@if [ ! -e "$(DESTDIR)$(SYSCONFDIR)/sysconfig/keepalived" ] && [ "$(SYSCONFDIR)" != /etc ]; then \
	    install -D -m 644 packaging/keepalived.options "$(DESTDIR)$(SYSCONFDIR)/sysconfig/keepalived"; \
	fi
	@for page in $(PAGES); do \
	    install -D -m 644 "$$page" "$(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/}"; \
	done
	@for sample in $(SAMPLES); do \
	    install -D -m 644 "$$sample" "$(DESTDIR)$(DOCDIR)/samples/$${sample##*/}"; \
	done
	install -D -m 644 README.md "$(DESTDIR)$(DOCDIR)/README.md"
	install -D -m 644 packaging/dbus/org.keepalived.Vrrp1.conf "$(DESTDIR)$(SYSCONFDIR)/dbus-1/system.d/org.keepalived.Vrrp1.conf"
	@for page in $(DBUS_INTERFACES); do \
	    install -D -m 644 "packaging/dbus/$$page" "$(DESTDIR)$(DATADIR)/dbus-1/interfaces/$$page"; \
	done
	install -D -m 644 packaging/completion.bash "$(DESTDIR)$(DATADIR)/bash-completion/completions/keepalived"
ifneq ($(UNITDIR),)
	install -D -m 644 keepalived/keepalived.service "$(DESTDIR)$(UNITDIR)/keepalived.service"
endif

.PHONY: uninstall
uninstall: ## remove what `make install` installed; configuration files stay
	rm -f "$(DESTDIR)$(SBINDIR)/keepalived" "$(DESTDIR)$(BINDIR)/keepalivedctl" "$(DESTDIR)$(BINDIR)/genhash"
	rm -f "$(DESTDIR)$(SYSCONFDIR)/keepalived/keepalived.conf.sample"
	@if [ -L "$(DESTDIR)$(SYSCONFDIR)/keepalived/keepalived.conf" ]; then rm -f "$(DESTDIR)$(SYSCONFDIR)/keepalived/keepalived.conf"; fi
	@for page in $(PAGES); do rm -f "$(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/}"; done
	@for sample in $(SAMPLES); do rm -f "$(DESTDIR)$(DOCDIR)/samples/$${sample##*/}"; done
	rm -f "$(DESTDIR)$(SYSCONFDIR)/dbus-1/system.d/org.keepalived.Vrrp1.conf"
	@for page in $(DBUS_INTERFACES); do rm -f "$(DESTDIR)$(DATADIR)/dbus-1/interfaces/$$page"; done
	rm -f "$(DESTDIR)$(DOCDIR)/README.md" "$(DESTDIR)$(DATADIR)/bash-completion/completions/keepalived"
ifneq ($(UNITDIR),)
	rm -f "$(DESTDIR)$(UNITDIR)/keepalived.service"
endif

.PHONY: distclean
distclean: clean ## also forget what ./configure recorded
	rm -rf config.mk keepalived

.PHONY: deb
deb: ## target/packages/keepalived_VERSION_ARCH.deb, for Debian 12, Ubuntu 22.04 and later
	packaging/build deb

.PHONY: rpm
rpm: ## target/packages/keepalived-VERSION.ARCH.rpm, for Rocky Linux 8.6 and later
	packaging/build rpm

.PHONY: static
static: ## target/packages/static/keepalived, which needs no library of the system
	packaging/build static
