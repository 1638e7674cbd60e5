# SPDX-License-Identifier: Apache-2.0
# What is run on the build: tests, lint, benchmarks, the demo.

.PHONY: check check-podman check-docker check-containerd check-engines diff check-unit check-root check-asan check-ubsan check-valgrind fuzz fuzz-replay \
	test-programs lint format bench demo text-order coverage man clean compile_commands.json

SCRIPTS := $(sort $(wildcard tests/cli/*.t tests/volumes/*.t tests/engines/*.t tests/shim/*.t tests/diff/*.t))
# T=NAME picks scripts, or unit tests, by a part of their path.
PICK := $(if $(T),$(foreach s,$(SCRIPTS) $(UNIT_BINS),$(if $(findstring $(T),$(s)),$(s))),\
	$(UNIT_BINS) $(SCRIPTS))
RUN  := BUILD=$(abspath $(B)) perl tests/lib/run.pl

check: test-programs fuzz-replay
	$(RUN) -j 2 $(PICK)

check-root: check

# The tours of engines take minutes; each skips with a reason where the engine cannot run.
check-podman check-docker: check-%: test-programs
	$(RUN) tests/engines/$*.t
# Its own shim for runc with kshim as the binary, and the native shim; 1.6 and 2.x.
check-containerd: test-programs
	$(RUN) tests/engines/containerd.t $(sort $(wildcard tests/shim/*.t))
check-engines: test-programs
	$(RUN) $(sort $(wildcard tests/engines/*.t))

# BUNDLES=2000 SEED=7 make diff
diff: test-programs
	$(RUN) tests/diff/random.t

check-unit: $(UNIT_BINS)
	$(RUN) $(UNIT_BINS)

# A build of its own in which the crash points are compiled in, and the tests' helpers.
test-programs: all $(UNIT_BINS) $(B)/helper/tty $(B)/helper/probe $(B)/helper/diff-probe
	$(MAKE) --no-print-directory B=$(B)/crash CRASH=1 all

$(B)/helper/floor: tests/bench/floor.c
	@mkdir -p $(@D)
	$(CC) -O2 -g -Wall -Wextra -D_GNU_SOURCE -static -o $@ $<

$(B)/helper/diff-probe: tests/diff/probe.c
	@mkdir -p $(@D)
	$(CC) -O1 -g -Wall -Wextra -D_GNU_SOURCE -static -o $@ $<

$(B)/helper/%: tests/lib/%.c
	@mkdir -p $(@D)
	$(CC) -O1 -g -Wall -Wextra -D_GNU_SOURCE -static -o $@ $<

ASAN  := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
UBSAN := -fsanitize=undefined -fno-sanitize-recover=all

# The whole suite again; "sanitized" lets tests of memory limits step aside.
check-asan:
	KSHIM_SANITIZED=address ASAN_OPTIONS=detect_leaks=1 \
		$(MAKE) --no-print-directory B=build/asan SANITIZE="$(ASAN)" OPT="-O1 -g" check
check-ubsan:
	KSHIM_SANITIZED=undefined $(MAKE) --no-print-directory B=build/ubsan SANITIZE="$(UBSAN)" \
		OPT="-O1 -g" check
check-valgrind: $(UNIT_BINS)
	for t in $(UNIT_BINS); do valgrind -q --error-exitcode=99 --child-silent-after-fork=yes \
		--leak-check=no $$t >/dev/null || { echo "valgrind: $$t"; exit 1; }; done

# ---- fuzzing: plain programs replay the corpora, clang's fuzzer looks for more ----

REPLAY := $(FUZZ:tests/fuzz/%.c=$(B)/replay/%)
fuzz-replay: $(REPLAY)
	for f in $(FUZZ:tests/fuzz/fuzz_%.c=%); do \
		$(B)/replay/fuzz_$$f tests/fuzz/corpus/$$f/* >$(B)/replay/$$f.log 2>&1 || \
			{ cat $(B)/replay/$$f.log; echo "fuzz-replay: $$f failed"; exit 1; }; done

$(B)/replay/%: tests/fuzz/%.c $(B)/libkshim.a
	$(call say,FUZZ $<)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -I. $(CFLAGS) $(UNIT_WARN) -DFUZZ_REPLAY -MMD -MP -MF $@.d -o $@ $< \
		$(LDFLAGS) $(B)/libkshim.a $(LIBS)

FUZZ_SECONDS ?= 60
FUZZ_FLAGS := -fsanitize=fuzzer-no-link,address,undefined
# T=NAME fuzzes one. What is found stands in build/fuzz/NAME; new inputs in build/fuzz/corpus.
fuzz:
	$(MAKE) --no-print-directory CC=clang B=build/fuzz SANITIZE="$(FUZZ_FLAGS)" OPT="-O1 -g" \
		build/fuzz/libkshim.a
	for f in $(or $(T),$(FUZZ:tests/fuzz/fuzz_%.c=%)); do \
		mkdir -p build/fuzz/corpus/$$f build/fuzz/$$f; \
		clang $(CPPFLAGS) -I. -std=gnu17 -O1 -g -fsanitize=fuzzer,address,undefined \
			-o build/fuzz/fuzz_$$f tests/fuzz/fuzz_$$f.c build/fuzz/libkshim.a $(LIBS) && \
		build/fuzz/fuzz_$$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=4096 \
			-print_final_stats=0 -verbosity=0 -artifact_prefix=build/fuzz/$$f/ \
			build/fuzz/corpus/$$f tests/fuzz/corpus/$$f || exit 1; done

# ---- the rest -------------------------------------------------------------------

bench: all $(B)/helper/floor
	BUILD=$(abspath $(B)) tests/bench/bench.sh $(RUNS)
	BUILD=$(abspath $(B)) tests/bench/shim.sh $(RUNS)

lint: compile_commands.json
	BUILD=$(abspath $(B)) tests/lint/lint.sh

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

CACHE ?= build/demo
demo:
	contrib/install-deps.sh build
	contrib/install-deps.sh demo
	$(MAKE) --no-print-directory all
	mkdir -p $(CACHE)
	contrib/demo/demo.sh $(B)/kshim $(CACHE)

# What lies together in the program, after a change of what is executed.
text-order:
	$(MAKE) --no-print-directory B=$(B)/text-order ORDER= MAP=-Wl,-Map=$(B)/text-order/kshim.map all
	contrib/text-order/text-order.sh $(B)/text-order >$(B)/text-order/new.ld
	mv $(B)/text-order/new.ld $(ORDER_LD)

coverage:
	$(MAKE) --no-print-directory B=build/coverage SANITIZE=--coverage OPT="-O0 -g" check
	tests/lib/coverage.sh build/coverage

man:
	for m in docs/man/*.8; do man --warnings -E UTF-8 -l -Tutf8 -Z $$m >/dev/null; done

compile_commands.json: Makefile
	{ echo '['; for f in $(SRCS); do \
		printf '%s{"directory":"%s","file":"%s","command":"%s"}\n' "$$sep" "$(CURDIR)" $$f \
			"$(CC) $(CPPFLAGS) -std=gnu17 $(filter-out -Wstack-usage=% -Wduplicated-% -Wlogical-op,$(WARN)) -c $$f"; \
		sep=,; done; echo ']'; } >$@

clean:
	rm -rf --one-file-system $(B) compile_commands.json

-include $(REPLAY:=.d)

# ---- in a virtual machine ------------------------------------------------------------

.PHONY: vm-image vm-check vm-shell vm-powercut
VM_CACHE ?= build/vm
VM := python3 tests/vm/vm.py --cache $(VM_CACHE) --build $(B)
vm-image:
	tests/vm/image.sh $(VM_CACHE)
# T=NAME picks suites; `tests/vm/vm.py list --cache x` names them.
vm-check: test-programs vm-image
	@# Guests have no network: what the shim's tests want beside their own packages is taken along.
	flock $(B) tests/lib/later.sh sid $(B)/later containerd libc6 || :
	$(VM) check $(T) $(if $(V),-v)
vm-shell: test-programs vm-image
	$(VM) shell
# N cuts; SEED repeats one run.
vm-powercut: test-programs vm-image
	$(VM) powercut --cuts $(or $(N),20) $(if $(SEED),--seed $(SEED))
