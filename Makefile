# Gradus. `make help` lists what there is to make.
#
# Every configuration has its own tree below build/, so that switching between them never mixes
# objects: build/cpu, build/cuda, and suffixes for what was left out or added.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

VERSION  := 0.1.0
CXX      := g++
CLANG    ?= clang++
NVCC     ?= $(firstword $(shell command -v nvcc) $(wildcard /usr/local/cuda/bin/nvcc))
OPENBLAS ?= 1
ONNX     ?= 1
ZLIB     ?= 1
GEMMLOWP ?= 1
TURBOJPEG ?= 1
SANITIZE ?=

# ---- what this machine has ------------------------------------------------------------------
# make/probe.mk sets HAS_NVCC, HAS_OPENBLAS, ... to yes, off (switched off) or nothing, and says so.

COMMA := ,
HASH  := \#

INCLUDES   := -I. $(addprefix -isystem ,$(wildcard third_party/include))
ONNX_FLAGS := -DONNX_ML=1 -DONNX_NAMESPACE=onnx
ONNX_LIBS  := -lonnx -lonnx_proto -lprotobuf
CUDA_DIR   := $(patsubst %/bin/,%,$(dir $(realpath $(NVCC))))
CUDA_LIBS  := $(addprefix -L,$(wildcard $(CUDA_DIR)/lib64)) -lcublas -lcudart \
              $(addprefix -Wl$(COMMA)-rpath$(COMMA),$(wildcard $(CUDA_DIR)/lib64))

include make/probe.mk

with = $(filter yes,$(HAS_$(1)))
DASHED_SANITIZE := $(subst $(COMMA),-,$(SANITIZE))
BUILD := build/$(if $(call with,NVCC),cuda,cpu)$(if $(call with,OPENBLAS),,-noopenblas)$\
    $(if $(call with,ONNX),,-noonnx)$(if $(call with,ZLIB),,-nozlib)$\
    $(if $(call with,TURBOJPEG),,-noturbojpeg)$(if $(findstring clang,$(CXX)),-clang)$\
    $(addprefix -,$(DASHED_SANITIZE))

# ---- flags ----------------------------------------------------------------------------------
# No contraction, no fast math: what is written is what is computed. The baseline is AVX2; wider
# code is chosen at run time, function by function.

NUMERICS  := -ffp-contract=off -fno-math-errno -fno-trapping-math -march=x86-64-v3
OPTIMIZE  := $(if $(SANITIZE),-O1 -g -fno-omit-frame-pointer -fsanitize=$(SANITIZE) $\
    -fno-sanitize-recover=all,-O3)
# g++ 12 warns (-Wrestrict) of what std::string itself does.
WARNINGS  := -Wall -Wextra $(if $(findstring clang,$(CXX)),,-Wno-restrict)
CXXFLAGS  := -std=c++20 $(OPTIMIZE) $(NUMERICS) $(WARNINGS)
NVCCFLAGS := -std=c++20 -O3 --fmad=false $(foreach a,75 80 86 89 90,$\
    -gencode arch=compute_$(a)$(COMMA)code=sm_$(a)) -gencode arch=compute_90$(COMMA)code=compute_90 $\
    $(foreach f,$(NUMERICS) -Wall,-Xcompiler $(f))
LDLIBS    := $(if $(call with,OPENBLAS),-lopenblas) $(if $(call with,ONNX),$(ONNX_LIBS)) $\
    $(if $(call with,ZLIB),-lz) $(if $(call with,TURBOJPEG),-ljpeg) $\
    $(if $(call with,NVCC),$(CUDA_LIBS)) -pthread
CPPFLAGS  := $(INCLUDES)

# ---- sources --------------------------------------------------------------------------------
# Each package has one door. A door that has a plain substitute is a pair of files of which exactly
# one is compiled; no #ifdef.

ROOMS   := tensor tensor/kernels autograd autograd/ops nn quant quant/algorithms quant/ptq \
           integer models data io run run/command_line run/train run/deploy run/bench run/explain
DOORS   := $(if $(call with,OPENBLAS),tensor/kernels/sgemm_readable.cc,$\
               tensor/kernels/sgemm_openblas.cc) $\
           $(if $(call with,ZLIB),data/gzip_none.cc,data/gzip_zlib.cc) $\
           $(if $(call with,TURBOJPEG),data/jpeg_stb.cc,data/jpeg_turbo.cc) $\
           $(if $(call with,ONNX),io/onnx_none.cc,$\
               $(filter-out io/onnx_none.cc,$(wildcard io/onnx*.cc tests/onnx_*.cc))) \
           $(if $(call with,GEMMLOWP),,tests/fixed_point_test.cc)
SOURCES := $(filter-out $(DOORS),$(wildcard $(ROOMS:%=%/*.cc)))
CUDA    := $(if $(call with,NVCC),$(wildcard $(ROOMS:%=%/*.cu)))
TESTS   := $(filter-out $(DOORS),$(wildcard tests/*_test.cc) $(wildcard tests/main.cc))
PROGRAMS := $(patsubst %.cc,%,$(wildcard *.cc))

objects  = $(patsubst %,$(BUILD)/%.o,$(basename $(filter %.cc,$(1)))) \
           $(patsubst %,$(BUILD)/%.o,$(filter %.cu,$(1)))
LIBRARY := $(call objects,$(SOURCES) $(CUDA))
BINARIES := $(PROGRAMS:%=$(BUILD)/%) $(if $(TESTS),$(BUILD)/run_tests)

# ---- goals ----------------------------------------------------------------------------------

.PHONY: all objects clang test test-unit check format clean help FORCE

all: $(PROGRAMS)  ## build the programs (the default)

# A program at the root is a link into the tree of the configuration built last.
.PHONY: $(PROGRAMS)
$(PROGRAMS): %: $(BUILD)/%
	@ln -sfn $< $@

objects: $(LIBRARY) $(call objects,$(TESTS)) $(PROGRAMS:%=$(BUILD)/%.o)  ## compile everything, link nothing

clang:  ## clang accepts every source: it checks them and writes no objects
	@$(MAKE) --no-print-directory NVCC= CXX=$(CLANG) BUILD=build/clang OPTIMIZE=-fsyntax-only objects

# In as many processes as there are cores; SHARDS=1 runs one case after another.
RUN_TESTS = BOOST_TEST_COLOR_OUTPUT=no $(BUILD)/run_tests --shards$(addprefix =,$(SHARDS))

test: $(BUILD)/run_tests $(PROGRAMS:%=$(BUILD)/%)  ## build and run the tests (ARGS="--run_test=relu" runs some)
	@$(RUN_TESTS) $(ARGS)

test-unit: $(BUILD)/run_tests  ## the tests labelled unit: functions and files, no network, no program
	@$(RUN_TESTS) --run_test=@unit $(ARGS)

check: $(PROGRAMS)  ## format, one-way layers, documentation compiles, flags in the texts exist
	@scripts/check_format.sh
	@scripts/check_layers.py
	@CXX="$(CXX)" scripts/check_docs.py

format:  ## put every source into the house format
	@scripts/check_format.sh --mend

clean:  ## remove everything that make made
	rm -rf build $(PROGRAMS)

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' Makefile tests/fuzz/fuzz.mk | expand -t 16
	@echo 'switches        NVCC= (no CUDA)  OPENBLAS=0  ONNX=0  ZLIB=0  GEMMLOWP=0  TURBOJPEG=0  SANITIZE=address,undefined'

# ---- rules ----------------------------------------------------------------------------------

$(BINARIES): $(BUILD)/objects.txt $(LIBRARY)
	@echo "link    $@"
	@$(CXX) $(CXXFLAGS) $(filter %.o,$^) -o $@ $(LDLIBS)
$(foreach p,$(PROGRAMS),$(eval $(BUILD)/$(p): $(BUILD)/$(p).o))
$(BUILD)/run_tests: $(call objects,$(TESTS))

$(BUILD)/%.o: %.cc $(BUILD)/flags.txt
	@mkdir -p $(@D)
	@echo "c++     $<"
	@$(CXX) $(CPPFLAGS) $(CXXFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/%.cu.o: %.cu $(BUILD)/flags.txt
	@mkdir -p $(@D)
	@echo "nvcc    $<"
	@$(NVCC) $(CPPFLAGS) $(NVCCFLAGS) -MMD -MP -c $< -o $@

# Tests compile in half the time at -O1; their numerics are those of -O3 by the flags above.
$(call objects,$(TESTS)): CXXFLAGS += $(if $(SANITIZE),,-O1)
$(call objects,$(wildcard io/onnx*.cc tests/onnx_*.cc)): CPPFLAGS += $(ONNX_FLAGS)

$(BUILD)/data/stb_image.o build/fuzz/objects/data/stb_image.o: CPPFLAGS += \
    -DSTB_IMAGE_IMPLEMENTATION -DSTBI_ONLY_JPEG -DSTBI_ONLY_PNG -DSTBI_NO_STDIO \
    -DSTBI_NO_LINEAR -DSTBI_NO_HDR -DSTBI_MAX_DIMENSIONS=65535

# The facts of the build go into one object, so that a commit rebuilds only that one.
COMMIT := $(or $(shell git describe --always --dirty --exclude '*' 2>/dev/null),unknown)
fact = -DGRADUS_$(1)='"$(strip $(2))"'
FACTS := $(call fact,VERSION,$(VERSION)) $(call fact,COMMIT,$(COMMIT)) \
    $(call fact,COMPILER,$(notdir $(CXX)) $(shell $(CXX) -dumpfullversion 2>/dev/null)) \
    $(call fact,WITH_CUDA,$(or $(HAS_NVCC),no)) $(call fact,WITH_OPENBLAS,$(or $(HAS_OPENBLAS),no)) \
    $(call fact,WITH_ONNX,$(or $(HAS_ONNX),no)) $(call fact,WITH_ZLIB,$(or $(HAS_ZLIB),no)) \
    $(call fact,WITH_TURBOJPEG,$(or $(HAS_TURBOJPEG),no))
$(BUILD)/run/version.o: CPPFLAGS += $(FACTS)
$(BUILD)/run/version.o: $(BUILD)/facts.txt

# Three files that are rewritten only when their text changes: then what depends on them is redone.
$(BUILD)/flags.txt: export TEXT := $(CXX) $(CXXFLAGS) $(CPPFLAGS) $(NVCC) $(NVCCFLAGS)
$(BUILD)/facts.txt: export TEXT := $(FACTS)
$(BUILD)/objects.txt: export TEXT := $(LIBRARY) $(TESTS) $(LDLIBS)
$(BUILD)/flags.txt $(BUILD)/facts.txt $(BUILD)/objects.txt: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' "$$TEXT" | cmp -s - $@ || printf '%s\n' "$$TEXT" > $@

-include $(patsubst %.o,%.d,$(LIBRARY) $(call objects,$(TESTS)) $(PROGRAMS:%=$(BUILD)/%.o))

include tests/fuzz/fuzz.mk
