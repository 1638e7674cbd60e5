# SPDX-License-Identifier: Apache-2.0
# One file, not recursive; everything is built below build/.
#   make [DEV=1] [V=1] [CRASH=1] [SANITIZE=-fsanitize=…] [LINK=static|shared] [B=build]

all:

PREFIX  ?= /usr/local
DESTDIR ?=
B       ?= build
ifeq ($(origin CC),default)
CC := gcc
endif
PKG     ?= pkg-config

PKGS := yajl libseccomp libcap blkid libprotobuf-c
# A start that loads no library; docs/adr/0007-linking.md
LINK ?= static
ARCHIVES := -l:libyajl_s.a -l:libseccomp.a -l:libcap.a -l:libblkid.a -l:libprotobuf-c.a
ifeq ($(LINK),static)
LIBS := $(ARCHIVES)
STATIC := $(if $(SANITIZE),,-static-pie)
else
LIBS := $(shell $(PKG) --libs $(PKGS))
endif

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wundef -Wvla \
	-Wpointer-arith -Werror=overflow -Wcast-qual -Wwrite-strings -Wimplicit-fallthrough=5 -Wswitch-enum \
	-Wconversion -Wno-sign-conversion
ifneq ($(findstring Free Software Foundation,$(shell $(CC) --version)),)
WARN += -Wduplicated-cond -Wduplicated-branches -Wlogical-op -Wnull-dereference \
	-Wstack-usage=16384
HARD_CC := -fcf-protection -ftrivial-auto-var-init=zero
endif
ifeq ($(shell uname -m),aarch64)
HARD_CC := -mbranch-protection=standard -ftrivial-auto-var-init=zero
endif
ifdef DEV
WARN += -Werror
endif

OPT      ?= -O2 -g
SANITIZE ?=
HARD := $(if $(SANITIZE),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong \
	-fstack-clash-protection $(HARD_CC))
CPPFLAGS += -D_GNU_SOURCE -Iinclude -isystem $(B)/gen $(shell $(PKG) --cflags $(PKGS) mount)
CPPFLAGS += $(if $(CRASH),-DKS_CRASH_POINTS)
CFLAGS   += -std=gnu17 $(OPT) $(WARN) $(HARD) -fPIE -fno-strict-aliasing $(SANITIZE)
LDFLAGS  += -pie -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--as-needed -Wl,--gc-sections $(SANITIZE)
CFLAGS   += -ffunction-sections -fdata-sections

SRCS  := $(sort $(wildcard oci/*/*.c volumes/*.c shim/*.c shim/*/*.c))
# Messages of containerd's protocols, and of criu's; included as <pb/NAME.pb-c.h>.
PROTO := $(sort $(wildcard shim/proto/*.proto oci/criu/*.proto))
PB    := $(patsubst %.proto,$(B)/gen/pb/%.pb-c.c,$(notdir $(PROTO)))
OBJS  := $(SRCS:%.c=$(B)/obj/%.o) $(PB:$(B)/gen/%.c=$(B)/obj/gen/%.o)
LIB_OBJS := $(filter-out $(B)/obj/shim/main.o,$(OBJS))
UNITS := $(sort $(wildcard tests/unit/test_*.c))
UNIT_BINS := $(UNITS:tests/unit/%.c=$(B)/unit/%)
FUZZ  := $(sort $(wildcard tests/fuzz/fuzz_*.c))

# Of a static program, where linker and C library can: relocations as a bitmap, 110 KiB less to be read
# at each start; and what everyday verbs and a quiet shim execute lies together, in fewer pages that are
# mapped. Tried once, by a program that has to start.
ORDER_LD := contrib/text-order/text-order.ld
LINK_MK := $(B)/link-$(notdir $(firstword $(CC))).mk
ifneq ($(STATIC),)
ifeq ($(filter clean format lint,$(MAKECMDGOALS)),)
-include $(LINK_MK)
endif
endif
$(LINK_MK): Makefile
	@mkdir -p $(@D)
	d=$$(mktemp -d $@.XXXXXX) && echo 'int main(void) { return 0; }' >$$d/t.c && : >$$d/mk && \
		for f in RELR=-Wl,-z,pack-relative-relocs ORDER=-Wl,-T,$(ORDER_LD); do \
			if $(CC) -fPIE $(STATIC) $${f#*=} -o $$d/t $$d/t.c >$$d/log 2>&1 && ! [ -s $$d/log ] && $$d/t; then \
				echo "$${f%%=*} := $${f#*=}" >>$$d/mk; fi; done && mv $$d/mk $@ && rm -r $$d

ifdef V
say = @:
else
.SILENT:
say = @echo "  $(1)"
endif

.PHONY: all install
all: $(B)/kshim $(B)/containerd-shim-kshim-v2

$(B)/kshim: $(OBJS) $(ORDER_LD)
	$(call say,LD   $@)
	@# The linker warns of dlopen(3) in a static program; oci/mount/holders.c is prepared for it.
	$(CC) $(LDFLAGS) $(STATIC) $(RELR) $(ORDER) $(MAP) -o $@ $(OBJS) $(LIBS) 2>$@.log; s=$$?; \
		grep -v -e "dlopen" -e "in function .open_lib" $@.log >&2; rm -f $@.log; exit $$s

$(B)/containerd-shim-kshim-v2: $(B)/kshim
	ln -sf kshim $@

$(B)/libkshim.a: $(LIB_OBJS)
	$(call say,AR   $@)
	rm -f $@
	ar rcs $@ $^

# One call makes all: a file imports others.
$(B)/gen/pb/.made: $(PROTO)
	$(call say,GEN  $(@D))
	@mkdir -p $(@D)
	protoc-c -Ishim/proto -Ioci/criu --c_out=$(@D) $(PROTO)
	@touch $@
$(PB): $(B)/gen/pb/.made ;
$(B)/obj/gen/%.o: $(B)/gen/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -w -MMD -MP -c -o $@ $<

$(B)/obj/%.o: %.c Makefile | $(B)/gen/pb/.made
	$(call say,CC   $<)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# A test may look at what must be there without asking; a crash is a failure too.
UNIT_WARN := -Wno-missing-prototypes -Wno-null-dereference -Wno-array-bounds -Wno-stack-usage
# A unit test includes its module, so that statics are within its reach; the rest is the library.
$(B)/unit/%: tests/unit/%.c $(B)/libkshim.a
	$(call say,TEST $<)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -I. $(CFLAGS) $(UNIT_WARN) -MMD -MP -MF $@.d -o $@ $< \
		$(LDFLAGS) $(B)/libkshim.a $(LIBS)

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man8 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 755 $(B)/kshim $(DESTDIR)$(PREFIX)/bin/kshim
	ln -sf kshim $(DESTDIR)$(PREFIX)/bin/containerd-shim-kshim-v2
	install -m 644 docs/man/*.8 $(DESTDIR)$(PREFIX)/share/man/man8
	install -m 644 contrib/completions/kshim.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/kshim

-include $(OBJS:.o=.d) $(UNIT_BINS:=.d)
include tests/tests.mk
