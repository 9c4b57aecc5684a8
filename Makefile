# SPDX-License-Identifier: BSD-2-Clause
# make help lists what can be made.

VERSION ?= 0.1.0
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=

CC ?= gcc
CLANG ?= clang
BPFTOOL ?= bpftool
PKG_CONFIG ?= pkg-config
# bpftool and shellcheck's friends live in /usr/sbin, which is not on everybody's path.
export PATH := $(PATH):/usr/sbin:/sbin

PACKAGES := libbpf libxdp jansson yaml-0.1 libevent_core libseccomp openssl
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wmissing-prototypes -Wstrict-prototypes
HARDENING := -fstack-protector-strong -fPIE -fcf-protection -Wformat -Wformat-security
OPTIMIZE ?= -O2 -D_FORTIFY_SOURCE=2
SANITIZE ?=
CPPFLAGS += -D_GNU_SOURCE -Iuser -Iinclude -I$(BUILD)
CFLAGS += -std=gnu2x -g $(OPTIMIZE) $(WARNINGS) $(HARDENING) $(SANITIZE) $(shell $(PKG_CONFIG) --cflags $(PACKAGES))
LDFLAGS += -pie -Wl,-z,relro,-z,now,-z,noexecstack $(SANITIZE)
LDLIBS += $(shell $(PKG_CONFIG) --libs $(PACKAGES)) -lelf

# The kernel's headers of the machine's architecture: -target bpf does not look there by itself.
BPF_CFLAGS := -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -Iinclude \
	-idirafter /usr/include/$(shell $(CC) -dumpmachine)

BPF_SOURCES := $(wildcard bpf/*.bpf.c)
BPF_OBJECTS := $(BPF_SOURCES:%.c=$(BUILD)/%.o)
SKELETON := $(BUILD)/rcxlb.skel.h
SOURCES := user/main.c $(wildcard user/*/*.c)
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
# V=1 shows the commands.
V ?= 0
ifeq ($(V),0)
Q := @
say = @printf '  %-7s %s\n' $(1) $(2)
endif

# Everything but main(), of which a test takes what it asks for.
PARTS := $(BUILD)/parts.a
UNIT_SOURCES := $(wildcard tests/unit/*.c tests/bpf/*.c)
UNIT_TESTS := $(UNIT_SOURCES:%.c=$(BUILD)/%)
# The simulation of the balance rules: several sources, one program.
MODEL := $(BUILD)/tests/model/balance
MODEL_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/model/*.c))
# A worker without an agent, which the end-to-end tests drive.
PROXY_WORKER := $(BUILD)/tests/proxy/worker

# The instance of the end-to-end tests.
TEST_INSTANCE := $(BUILD)/tests/e2e/instance
UNFILTERED := $(BUILD)/tests/e2e/unfiltered.so
# The HTTP/1 core for tests in other languages.
HTTP1_DRIVER := $(BUILD)/tests/http1/driver
# The program as another build, which replaces the first one in some tests.
OTHER := $(BUILD)/tests/other/rcxlb
# Fuzz programs: one source each, with the pure parts built anew, under the sanitizers.
FUZZ := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c))
FUZZ_PROGRAMS := $(FUZZ:%=$(BUILD)/tests/fuzz/%)
FUZZ_SOURCES := $(wildcard user/core/*.c user/config/*.c user/proxy/http1_*.c) user/proxy/proxy_header.c
FUZZ_OBJECTS := $(FUZZ_SOURCES:%.c=$(BUILD)/tests/fuzz/%.o)
FUZZ_CFLAGS := -std=gnu2x -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -MMD -MP \
	$(shell $(PKG_CONFIG) --cflags $(PACKAGES))
FUZZ_SECONDS ?= 60

.PHONY: all help test-programs fuzz install lint clean $(FUZZ:%=fuzz-%)
all: $(BUILD)/rcxlb

help:
	@echo 'make                 the program, as $(BUILD)/rcxlb'
	@echo 'make test-programs   the unit and BPF tests; scripts/test makes and runs them, and all the others'
	@echo 'make fuzz-NAME       tests/fuzz/NAME.c for FUZZ_SECONDS ($(FUZZ_SECONDS)) seconds, from tests/fuzz/corpus/NAME'
	@echo 'make fuzz            all of them'
	@echo 'make install         under PREFIX ($(PREFIX)), below DESTDIR when that is set'
	@echo 'make lint            clang-tidy over the C sources, shellcheck over the scripts'
	@echo 'make clean           removes $(BUILD)/'
	@echo 'Variables: BUILD, PREFIX, DESTDIR, VERSION, CC, CLANG, BPFTOOL, V=1, SANITIZE (e.g. -fsanitize=address,undefined)'

$(BUILD)/rcxlb: $(OBJECTS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/user/%.o: user/%.c | $(SKELETON)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

VERSION_OBJECTS := $(BUILD)/user/core/version.o $(BUILD)/tests/fuzz/user/core/version.o
$(VERSION_OBJECTS) tidy/user/core/version.c: CPPFLAGS += -DRCXLB_VERSION='"$(VERSION)"'

$(BUILD)/bpf/%.o: bpf/%.c
	@mkdir -p $(@D)
	$(call say,BPF,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/rcxlb.bpf.o: $(BPF_OBJECTS)
	$(call say,GEN,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(SKELETON): $(BUILD)/rcxlb.bpf.o
	$(call say,GEN,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name rcxlb_bpf > $@.new
	$(Q)mv $@.new $@


$(PARTS): $(filter-out $(BUILD)/user/main.o,$(OBJECTS))
	$(call say,GEN,$@)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

test-programs: $(UNIT_TESTS) $(MODEL) $(PROXY_WORKER) $(TEST_INSTANCE) $(UNFILTERED) $(HTTP1_DRIVER) $(OTHER)

$(MODEL): $(MODEL_OBJECTS) $(PARTS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lm

$(BUILD)/tests/model/%.o: tests/model/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/%: tests/%.c $(PARTS)
	@mkdir -p $(@D)
	$(call say,TEST,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP $(LDFLAGS) -o $@ $< $(PARTS) $(LDLIBS) -lcmocka -lm

$(OTHER): user/core/version.c $(filter-out %/core/version.o,$(OBJECTS))
	@mkdir -p $(@D)
	$(call say,TEST,$@)
	$(Q)$(CC) $(CPPFLAGS) -DRCXLB_VERSION='"$(VERSION)-other"' $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# A server of its own, with nothing of ours.
$(TEST_INSTANCE): tests/e2e/instance.c
	@mkdir -p $(@D)
	$(call say,TEST,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $<

# With no sanitizer: it is for valgrind.
$(UNFILTERED): tests/e2e/unfiltered.c
	@mkdir -p $(@D)
	$(call say,TEST,$@)
	$(Q)$(CC) $(CPPFLAGS) -std=gnu2x -g $(OPTIMIZE) $(WARNINGS) -fPIC -shared -o $@ $<

$(BUILD)/tests/fuzz/user/%.o: user/%.c
	@mkdir -p $(@D)
	$(call say,FUZZ,$@)
	$(Q)$(CLANG) $(CPPFLAGS) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link -c -o $@ $<

$(FUZZ_PROGRAMS): $(BUILD)/tests/fuzz/%: tests/fuzz/%.c $(FUZZ_OBJECTS)
	$(call say,FUZZ,$@)
	$(Q)$(CLANG) $(CPPFLAGS) $(FUZZ_CFLAGS) -fsanitize=fuzzer -o $@ $< $(FUZZ_OBJECTS) \
		$(shell $(PKG_CONFIG) --libs $(PACKAGES))

fuzz: $(FUZZ:%=fuzz-%)
# What is found is left in the build folder, as crash-*; new inputs too, so that the next run goes on from there.
$(FUZZ:%=fuzz-%): fuzz-%: $(BUILD)/tests/fuzz/%
	@mkdir -p $(BUILD)/tests/fuzz/$*-corpus
	$< $(patsubst %,-dict=%,$(wildcard tests/fuzz/$*.dict)) -max_total_time=$(FUZZ_SECONDS) -timeout=25 -artifact_prefix=$(BUILD)/tests/fuzz/ -print_final_stats=1 \
		$(BUILD)/tests/fuzz/$*-corpus tests/fuzz/corpus/$*

# Units name the program by its place.
SHARE := $(DESTDIR)$(PREFIX)/share
UNITS := $(DESTDIR)$(PREFIX)/lib/systemd/system
install: $(BUILD)/rcxlb
	install -D -m 755 $(BUILD)/rcxlb $(DESTDIR)$(PREFIX)/sbin/rcxlb
	$(BUILD)/rcxlb completion | install -D -m 644 /dev/stdin $(SHARE)/bash-completion/completions/rcxlb
	for unit in rcxlb.service rocketchat@.service; do \
		sed 's|/usr/local/sbin/|$(PREFIX)/sbin/|' scripts/systemd/$$unit | \
			install -D -m 644 /dev/stdin $(UNITS)/$$unit || exit 1; \
	done
	install -D -m 644 scripts/systemd/rcxlb.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/rcxlb.conf
	install -D -m 644 -t $(SHARE)/man/man8 scripts/man/rcxlb.8
	install -D -m 644 -t $(SHARE)/man/man5 scripts/man/rcxlb.yaml.5
	install -D -m 644 -t $(SHARE)/rcxlb scripts/monitoring/rcxlb.rules.yml scripts/monitoring/dashboard.json

# States of a function that the analyzer goes through; its own 225,000 take more than twice the time.
LINT_NODES ?= 75000

$(SOURCES:%=tidy/%): tidy/%: % $(SKELETON)
	@clang-tidy --quiet $(LINT_NODES:%=--extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang --extra-arg=max-nodes=%) \
		$< -- $(subst -I$(BUILD),-isystem $(BUILD),$(CPPFLAGS)) -std=gnu2x $(shell $(PKG_CONFIG) --cflags $(PACKAGES))

lint: $(SKELETON)
	+$(MAKE) --no-print-directory -j$$(nproc) $(SOURCES:%=tidy/%)
	shellcheck $$(grep -lE '^#!.*(bash|sh)$$' scripts/* scripts/*/* tests/*/* .ci/* 2>/dev/null)

clean:
	rm -rf $(BUILD)

-include $(BPF_OBJECTS:.o=.d) $(OBJECTS:.o=.d) $(UNIT_TESTS:=.d) $(PROXY_WORKER).d $(MODEL_OBJECTS:.o=.d) $(HTTP1_DRIVER).d $(FUZZ_OBJECTS:.o=.d) $(FUZZ_PROGRAMS:=.d)
