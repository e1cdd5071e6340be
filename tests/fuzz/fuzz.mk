# `make fuzz`: the readers of files under libFuzzer, with what they need of the library.

FUZZ_SECONDS ?= 15
FUZZERS      := $(patsubst tests/fuzz/%.cc,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.cc))
FUZZ_SOURCES := $(filter-out $(DOORS) tensor/affine.cc,$(wildcard tensor/*.cc) $(wildcard data/*.cc) \
    io/atomic_file.cc io/input_file.cc io/npy.cc io/safetensors.cc io/sha256.cc)
FUZZ_OBJECTS := $(FUZZ_SOURCES:%.cc=build/fuzz/objects/%.o)
FUZZ_RUNS    := $(FUZZERS:build/fuzz/%=run_%)

.PHONY: fuzz $(FUZZ_RUNS)
fuzz: $(FUZZ_RUNS)  ## run the readers' fuzzers (clang), FUZZ_SECONDS=15 each
$(FUZZ_RUNS): run_%: build/fuzz/%
	@scripts/run_fuzzer.sh $< $(FUZZ_SECONDS)

build/fuzz/objects/%.o: %.cc $(BUILD)/flags.txt
	@mkdir -p $(@D)
	@echo "clang++ $<"
	@$(CLANG) $(CPPFLAGS) -std=c++20 -O1 -g $(filter-out -fno-math-errno,$(NUMERICS)) \
	    -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -MMD -MP -c $< -o $@

.SECONDARY: $(FUZZ_OBJECTS) $(FUZZERS:build/fuzz/%=build/fuzz/objects/tests/fuzz/%.o)
build/fuzz/%: build/fuzz/objects/tests/fuzz/%.o $(FUZZ_OBJECTS)
	@echo "link    $@"
	@$(CLANG) -fsanitize=fuzzer,address,undefined $^ -o $@ $(if $(call with,ZLIB),-lz) \
	    $(if $(call with,TURBOJPEG),-ljpeg) -pthread

-include $(wildcard build/fuzz/objects/*/*.d build/fuzz/objects/tests/fuzz/*.d)
