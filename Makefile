# One file, non-recursive; everything is built under build/. `make help` lists the targets.

SHELL := /bin/bash
CC ?= gcc
SAN ?=
V ?=
# Commands are shown with V=1; otherwise a word and a file's name tell how far it is.
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-6s %s\n' $(1) $(2))

O := build$(if $(SAN),-san)

.DEFAULT_GOAL := all

# --- the sources, by layer (ARCHITECTURE.md): an object sees only the headers of its own layer and
# --- of those below, and a program links only the archives of its own layer.

# libops: libc and cJSON only, for every program.
OPS_C := $(addprefix shared/,arena.c buf.c envfile.c err.c file.c instant.c json.c json_write.c log.c notify.c text.c)
# libworker: what workers share on top of it.
WORKER_C := $(filter-out $(OPS_C),$(wildcard shared/*.c))
# supervisor: every file but those that hold a main() goes into its programs; what needs ncurses goes
# into monit alone, which neither opsd nor opsctl is to load.
MONIT_C := supervisor/monit.c supervisor/monit_view.c
SUPERVISOR_C := $(filter-out $(addprefix supervisor/,opsd.c opsctl.c manual.c) $(MONIT_C),$(wildcard supervisor/*.c))

APPS := $(notdir $(wildcard workers/*))
# A worker is NAME.c with NAME.sql beside it; the other .c files of its folder are the app's own.
# APP.sql is what the workers of APP share, next to APP.c.
APP_SQL := $(foreach app,$(APPS),$(wildcard workers/$(app)/$(app).sql))
WORKERS := $(patsubst workers/%.sql,%,$(filter-out $(APP_SQL),$(wildcard workers/*/*.sql)))
# What an administrator types: workers/APP/commands/NAME.c, as `opsctl NAME`; NAME.sql where it has
# statements. It is linked as a worker is, with what its app's workers share.
COMMANDS := $(patsubst workers/%.c,%,$(wildcard workers/*/commands/*.c))
# What an app's workers share and has many alike: workers/APP/replies/*.c.
PARTS := $(wildcard workers/*/replies/*.c)
SCHEMA := $(wildcard shared/schema/*.sql workers/*/schema/*.sql)

OPS_PC := libcjson
SUPERVISOR_PC := libuv libcjson zlib
MONIT_PC := ncursesw libcjson
WORKER_PC := libpq libcurl libcjson libssl libcrypto libuv

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wwrite-strings -Wundef -Wformat=2 -Wvla -Wimplicit-fallthrough -Wno-missing-field-initializers
CFLAGS ?= -O2 -g
# gcc's documentation: sanitizers make -Wmaybe-uninitialized see what is not there.
ALL_CFLAGS := -std=gnu11 $(CPPFLAGS) $(CFLAGS) $(WARNINGS) -D_GNU_SOURCE -include shared/banned.h -MMD -MP \
	-fno-common -fstack-protector-strong -ffunction-sections \
	$(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all -Wno-maybe-uninitialized)
ALL_LDFLAGS := $(LDFLAGS) -Wl,--as-needed -Wl,--gc-sections -Wl,-z,relro,-z,now $(if $(SAN),-fsanitize=$(SAN))

pc_cflags = $(shell pkg-config --cflags $(1))
pc_libs = $(shell pkg-config --libs $(1))
objects = $(patsubst %.c,$(O)/obj/%.o,$(1))

WORKER_BINS := $(addprefix $(O)/workers/,$(WORKERS))
COMMAND_BINS := $(addprefix $(O)/libexec/,$(notdir $(COMMANDS)))
ifneq ($(words $(COMMAND_BINS)),$(words $(sort $(COMMAND_BINS))))
$(error two commands have the same name: $(COMMANDS))
endif

MAN := $(patsubst supervisor/man/%.in,$(O)/man/%,$(wildcard supervisor/man/*.in))
COMPLETION := $(addprefix $(O)/completion/opsctl.,bash zsh fish)

all: $(O)/bin/opsd $(O)/bin/opsctl $(O)/libexec/monit $(WORKER_BINS) $(O)/libexec/commands.json $(MAN) $(COMPLETION) ## build everything

# --- archives

$(O)/libops.a: $(call objects,$(OPS_C))
	$(call say,AR,$@)
	$(Q)rm -f $@.new && $(AR) rcs $@.new $^ && mv $@.new $@

$(O)/libworker.a: $(call objects,$(WORKER_C))
	$(call say,AR,$@)
	$(Q)rm -f $@.new && $(AR) rcs $@.new $^ && mv $@.new $@

$(O)/libsupervisor.a: $(call objects,$(SUPERVISOR_C))
	$(call say,AR,$@)
	$(Q)rm -f $@.new && $(AR) rcs $@.new $^ && mv $@.new $@

# --- objects: the include path says what a layer may know

$(O)/obj/shared/%.o: shared/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -iquote shared -iquote $(O)/gen/shared $(call pc_cflags,$(WORKER_PC)) -c $< -o $@

$(O)/obj/supervisor/%.o: supervisor/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -iquote supervisor -iquote shared $(call pc_cflags,$(SUPERVISOR_PC)) -c $< -o $@

# A file in a folder of its app's sees what the app's workers see.
app_folder = $(patsubst %/replies,%,$(patsubst %/commands,%,$(1)))
$(O)/obj/workers/%.o: workers/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -iquote $(<D) -iquote $(call app_folder,$(<D)) -iquote shared \
		-iquote $(O)/gen/$(<D) -iquote $(O)/gen/$(call app_folder,$(<D)) \
		$(call pc_cflags,$(WORKER_PC)) -c $< -o $@

# --- programs

$(O)/bin/opsd $(O)/bin/opsctl: $(O)/bin/%: $(O)/obj/supervisor/%.o $(O)/libsupervisor.a $(O)/libops.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $^ $(call pc_libs,$(SUPERVISOR_PC)) -o $@

$(O)/libexec/monit: $(call objects,$(MONIT_C)) $(O)/libsupervisor.a $(O)/libops.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $^ $(call pc_libs,$(MONIT_PC)) -o $@

# --- what is read by people and by their shells, from the same tables as the programs

$(O)/gen/manual: $(O)/obj/supervisor/manual.o $(O)/libsupervisor.a $(O)/libops.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $^ $(call pc_libs,$(SUPERVISOR_PC)) -o $@

$(O)/man/%: supervisor/man/%.in $(O)/gen/manual
	@mkdir -p $(@D)
	$(call say,MAN,$@)
	$(Q)$(O)/gen/manual < $< > $@.new && mv $@.new $@

$(COMPLETION): $(O)/completion/opsctl.%: $(O)/bin/opsctl
	@mkdir -p $(@D)
	$(call say,WORDS,$@)
	$(Q)$(O)/bin/opsctl completion $* > $@.new && mv $@.new $@

.SECONDEXPANSION:
# What the workers of an app share: its .c files that are not workers; $(1) is APP/NAME.
app_of = $(firstword $(subst /, ,$(1)))
app_common = $(filter-out $(addsuffix .c,$(addprefix workers/,$(WORKERS))) $(wildcard workers/main/gateway_*.c),\
	$(wildcard workers/$(call app_of,$(1))/*.c)) $(filter workers/$(call app_of,$(1))/%,$(PARTS))

# The gateway alone is a server: its parts and what they need are no other worker's.
$(O)/workers/main/gateway: $(call objects,$(wildcard workers/main/gateway_*.c))
$(O)/workers/main/gateway: PROGRAM_PC := libmicrohttpd

$(WORKER_BINS): $(O)/workers/%: $(O)/obj/workers/%.o \
		$$(call objects,$$(call app_common,$$*)) \
		$(O)/libworker.a $(O)/libops.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(filter %.o,$^) $(filter %.a,$^) \
		$(call pc_libs,$(PROGRAM_PC) $(WORKER_PC)) -o $@

# The folder of the source is not in the name of the program: opsctl knows it by its name alone.
command_of = $(filter %/commands/$(1),$(COMMANDS))

$(COMMAND_BINS): $(O)/libexec/%: $$(O)/obj/workers/$$(call command_of,$$*).o \
		$$(call objects,$$(call app_common,$$(call command_of,$$*))) \
		$(O)/libworker.a $(O)/libops.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $^ $(call pc_libs,$(WORKER_PC)) -o $@

# What each says of itself, for `opsctl help` and for completion.
$(O)/libexec/commands.json: $(COMMAND_BINS)
	@mkdir -p $(@D)
	$(call say,INDEX,$@)
	$(Q){ echo '['; for c in $(COMMAND_BINS); do $$c --describe || exit 1; \
		[ $$c = $(lastword $(COMMAND_BINS)) ] || echo ,; done; echo ']'; } > $@.new && mv $@.new $@

# --- SQL: NAME.sql becomes NAME_sql.h (enum SQL_… and table sql[])

$(O)/gen/%_sql.h: %.sql scripts/sql2h.awk
	@mkdir -p $(@D)
	$(call say,SQL,$<)
	$(Q)awk -f scripts/sql2h.awk $< > $@.new && mv $@.new $@

SQL_HEADERS := $(patsubst %.sql,$(O)/gen/%_sql.h,\
	$(wildcard shared/*.sql workers/*/*.sql workers/*/commands/*.sql))
# Headers must be there before the first object that includes them; -MMD knows who does later on.
$(call objects,$(WORKER_C)): | $(filter $(O)/gen/shared/%,$(SQL_HEADERS))
$(foreach a,$(APPS),$(eval $(call objects,$(wildcard workers/$(a)/*.c workers/$(a)/commands/*.c workers/$(a)/replies/*.c)): \
	| $(filter $(O)/gen/workers/$(a)/%,$(SQL_HEADERS))))

# The migrations are part of main/migrate, so that an installed binary needs no source tree.
$(O)/gen/workers/main/schema.h: $(SCHEMA) scripts/schema2h.awk
	@mkdir -p $(@D)
	$(call say,SQL,$@)
	$(Q)awk -f scripts/schema2h.awk $(SCHEMA) > $@.new && mv $@.new $@
$(O)/obj/workers/main/migrate.o: $(O)/gen/workers/main/schema.h

# The files of the dashboard are part of main/gateway.
DASHBOARD := $(sort $(wildcard workers/main/dashboard/*))
$(O)/gen/workers/main/dashboard.h: $(DASHBOARD) scripts/files2h.awk
	@mkdir -p $(@D)
	$(call say,FILES,$@)
	$(Q)awk -f scripts/files2h.awk $(DASHBOARD) > $@.new && mv $@.new $@
$(O)/obj/workers/main/gateway_dashboard.o: $(O)/gen/workers/main/dashboard.h

# The texts to customers, of all workers' sources, are part of make_translations.
TEXT_SOURCES := $(sort $(wildcard workers/*/*.[ch] workers/*/*/*.[ch] workers/*/*.sql workers/*/*/*.sql))
TEXTS := $(O)/gen/workers/messenger/commands/source_texts.h
$(TEXTS): $(TEXT_SOURCES) scripts/texts2h.awk
	@mkdir -p $(@D)
	$(call say,TEXTS,$@)
	$(Q)awk -f scripts/texts2h.awk $(TEXT_SOURCES) > $@.new && mv $@.new $@
$(O)/obj/workers/messenger/commands/make_translations.o: $(TEXTS)

# --- tests

UNIT_BINS := $(patsubst tests/unit/%.c,$(O)/tests/%,$(wildcard tests/unit/test_*.c))
PRELOADS := $(patsubst tests/fault/%.c,$(O)/tests/%.so,$(wildcard tests/fault/*.c))

$(O)/tests/%: tests/unit/%.c $(O)/libsupervisor.a $(O)/libworker.a $(O)/libops.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -MF $@.d -iquote tests/unit -iquote tests -iquote supervisor -iquote shared -iquote $(O)/gen/shared \
		$(call pc_cflags,$(WORKER_PC) $(SUPERVISOR_PC) cmocka) $< $(filter %.a,$^) $(ALL_LDFLAGS) \
		$(call pc_libs,$(WORKER_PC) $(SUPERVISOR_PC) cmocka) -lm -o $@

# The fuzz targets with an ordinary main(), which replays their corpora.
REPLAY_BINS := $(patsubst tests/fuzz/fuzz_%.c,$(O)/tests/replay_%,$(wildcard tests/fuzz/fuzz_*.c))

$(O)/tests/replay_%: tests/fuzz/fuzz_%.c tests/fuzz/replay.c $(O)/libsupervisor.a $(O)/libops.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -Wno-missing-prototypes -iquote supervisor -iquote shared \
		$(call pc_cflags,$(SUPERVISOR_PC)) $(filter %.c %.a,$^) $(ALL_LDFLAGS) \
		$(call pc_libs,$(SUPERVISOR_PC)) -lm -o $@

# A library that is preloaded into a worker and kills it at its n-th boundary.
$(O)/tests/%.so: tests/fault/%.c
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -D_GNU_SOURCE -fPIC -shared \
		$(call pc_cflags,$(WORKER_PC)) $< -ldl -o $@

# Most tests wait for something most of the time: two for each processor.
PYTEST := BUILD=$(O) /usr/bin/python3 -B -m pytest -q -o cache_dir=$(abspath $(O)/pytest)
CROWDED := $(PYTEST) -n $(shell expr 2 \* $$(nproc))
T ?= tests

# One after the other: both have deadlines. Everything is built before, or two makes would build at once.
test: all ## run every test (SAN=address,undefined: under sanitizers)
	$(Q)$(MAKE) test-unit
	$(Q)$(MAKE) test-black-box

test-unit: $(UNIT_BINS) $(REPLAY_BINS) ## the pure modules, and what the fuzzers found
	@set -e; for t in $(sort $(UNIT_BINS)); do $$t; done
	@set -e; for r in $(REPLAY_BINS); do $$r tests/fuzz/corpus/$${r##*_}/*; done

# Deadlines that a crowded machine misses: what fails is run once more, alone, and has to pass then.
test-black-box: all $(UNIT_BINS) $(PRELOADS) ## real processes, real PostgreSQL; T=tests/scenario/… for some
	$(CROWDED) $(T) || { [ $$? -eq 1 ] && echo "once more, alone:" && $(PYTEST) --last-failed $(T); }

# --- style

C_FILES := $(wildcard shared/*.[ch] supervisor/*.[ch] workers/*/*.[ch] workers/*/*/*.[ch] tests/unit/*.[ch] \
	tests/fault/*.c tests/fuzz/*.c)

lint: $(SQL_HEADERS) $(addprefix $(O)/gen/workers/main/,schema.h dashboard.h) $(TEXTS) ## format, names, limits, layers
	./scripts/lint

format: ## let clang-format have its way
	clang-format-14 -i $(C_FILES)

# --- fuzzing: libFuzzer is clang's (gcc 12 has none)

FUZZ_BINS := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 60

build/fuzz/%: tests/fuzz/%.c $(SUPERVISOR_C) $(OPS_C)
	@mkdir -p $(@D)
	clang-14 -std=gnu11 -O1 -g -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined \
		-iquote supervisor -iquote shared $(call pc_cflags,$(SUPERVISOR_PC)) $^ $(call pc_libs,$(SUPERVISOR_PC)) -lm -o $@

fuzz: $(FUZZ_BINS) ## each target for FUZZ_SECONDS from its corpus
	@set -e; for f in $(FUZZ_BINS); do n=$$(basename $$f); mkdir -p build/corpus/$$n; \
	d=tests/fuzz/$${n#fuzz_}.dict; \
	$$f $$(test -e $$d && echo -dict=$$d) -max_total_time=$(FUZZ_SECONDS) -timeout=10 \
	build/corpus/$$n tests/fuzz/corpus/$${n#fuzz_}; done

# Not under the sanitizers, which valgrind does not understand.
valgrind: all $(O)/tests/plain_calls.so ## opsd and opsctl: no error, no leak, no leaked descriptor
	$(PYTEST) -n 2 tests/valgrind.py

bench: all ## speed and memory, with figures
	BUILD=$(O) /usr/bin/python3 -B tests/bench/run.py

# --- installation

VERSION := $(shell sed -n 's/^\#define OPS_VERSION "\(.*\)"$$/\1/p' supervisor/commands.h)

PREFIX ?= /usr/local
UNITDIR ?= $(PREFIX)/lib/systemd/system
BASH_DIR := share/bash-completion/completions
# Debian's zsh looks into vendor-completions.
ZSH_DIR ?= share/zsh/site-functions
FISH_DIR := share/fish/vendor_completions.d

# What is built = where it goes below PREFIX.
PROGRAMS := $(O)/bin/opsd=bin/opsd $(O)/bin/opsctl=bin/opsctl $(O)/libexec/monit=libexec/ops/monit \
	$(foreach w,$(WORKERS),$(O)/workers/$(w)=lib/ops/workers/$(w)) \
	$(foreach c,$(COMMAND_BINS),$(c)=libexec/ops/$(notdir $(c)))
DATA := $(O)/libexec/commands.json=libexec/ops/commands.json .env.example=share/ops/env.example
MANUALS := $(foreach m,$(MAN),$(m)=share/man/man$(subst .,,$(suffix $(m)))/$(notdir $(m)))
COMPLETIONS := $(O)/completion/opsctl.bash=$(BASH_DIR)/opsctl $(O)/completion/opsctl.zsh=$(ZSH_DIR)/_opsctl \
	$(O)/completion/opsctl.fish=$(FISH_DIR)/opsctl.fish
# What is made at the place where it goes, of what is known only then.
MADE := share/ops/ecosystem.json
OWN_FOLDERS := lib/ops libexec/ops share/ops

put = set -e; for p in $(2); do install -D -m $(1) "$${p%%=*}" "$(DESTDIR)$(PREFIX)/$${p\#*=}"; done

install: all ## PREFIX=/usr/local DESTDIR=
	$(Q)$(call put,755,$(PROGRAMS))
	$(Q)$(call put,644,$(DATA) $(MANUALS) $(COMPLETIONS))
	$(Q)packaging/manifest $(PREFIX)/lib/ops/workers $(PREFIX)/libexec/ops <ecosystem.json >$(DESTDIR)$(PREFIX)/share/ops/ecosystem.json
	$(Q)chmod 644 $(DESTDIR)$(PREFIX)/share/ops/ecosystem.json
	$(Q)install -d $(DESTDIR)$(UNITDIR)
	$(Q)sed 's|@BINDIR@|$(PREFIX)/bin|' packaging/ops.service >$(DESTDIR)$(UNITDIR)/ops.service

uninstall: ## what make install put there; the same PREFIX and DESTDIR
	$(Q)rm -f $(addprefix $(DESTDIR)$(PREFIX)/,$(MADE) $(foreach p,$(PROGRAMS) $(DATA) $(MANUALS) $(COMPLETIONS),\
		$(lastword $(subst =, ,$(p))))) $(DESTDIR)$(UNITDIR)/ops.service
	$(Q)for d in $(addprefix $(DESTDIR)$(PREFIX)/,$(OWN_FOLDERS)); do \
		[ ! -d $$d ] || find $$d -depth -type d -empty -delete; done

# From a copy of the sources, so that nothing of it stays here. DEB_FROM=build takes what is built
# there instead of compiling anew: for a look at the package, as the tests take.
DEB := build/deb
DEB_FROM ?=

deb: $(if $(DEB_FROM),all) ## build/deb/ops_VERSION_ARCHITECTURE.deb
	$(Q)command -v dpkg-buildpackage >/dev/null || \
		{ echo 'make deb: no dpkg-buildpackage here: apt-get install debhelper' >&2; exit 1; }
	$(Q)rm -rf $(DEB) && mkdir -p $(DEB)/ops
	$(Q)tar -c --exclude-vcs --exclude=./build --exclude=./build-san --exclude=./.ops --exclude=./.env \
		--exclude='./logs/*.log*' --exclude=__pycache__ . | tar -x -C $(DEB)/ops
	$(Q)$(if $(DEB_FROM),mkdir $(DEB)/ops/build && cd $(DEB_FROM) && cp -al bin completion gen libexec man obj workers *.a \
		$(abspath $(DEB))/ops/build)
	$(Q)mv $(DEB)/ops/packaging/debian $(DEB)/ops/debian
	$(Q)printf 'ops (%s) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- %s  %s\n' $(VERSION) \
		"$$(sed -n 's/^Maintainer: //p' packaging/debian/control)" "$$(date -R)" >$(DEB)/ops/debian/changelog
	$(Q)cd $(DEB)/ops && env -u MAKEFLAGS -u MAKELEVEL -u DESTDIR -u PREFIX \
		dpkg-buildpackage -b -nc -us -uc >../build.log 2>&1 || { tail -n 30 ../build.log >&2; exit 1; }
	$(Q)rm -rf $(DEB)/ops && ls $(DEB)/ops_*.deb

clean: ## remove what was built
	rm -rf build build-san

help: ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sort | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

.PHONY: all test test-unit test-black-box lint format fuzz valgrind bench install uninstall deb clean help
.DELETE_ON_ERROR:

-include $(shell find $(O) -name '*.d' 2>/dev/null)
