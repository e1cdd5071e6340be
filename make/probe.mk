# What this machine has. A probe compiles and links a program of one line; that program is the cache of
# a success. A failure is tried again by the next make, so that installing a package is enough.

# $(call probe,name,program,compile command,libraries): "yes" if the program links
probe = $(shell { test -x build/probe/$(1) || { mkdir -p build/probe && \
    printf '$(2)' | $(3) -o build/probe/$(1) $(4); }; } >/dev/null 2>&1 && echo yes)
probe_cc = $(call probe,$(1),$(2),$(CXX) -std=c++20 $(INCLUDES) -x c++ -,-x none $(3))
# $(call wanted,switch,probe): the probe's answer, or "off" if the switch is 0
wanted = $(if $(filter 0,$(1)),off,$(2))
# $(call say,answer,name,with,without): the one line
say = $(info $(if $(filter yes,$(1)),+ $(2) found: $(3),$\
    - $(2) $(if $(filter off,$(1)),switched off,not found): $(4)))

ifneq ($(filter-out help clean format,$(or $(MAKECMDGOALS),all)),)
HAS_NVCC := $(if $(NVCC),$(call probe,nvcc,$\
    $(HASH)include <cublas_v2.h>\n__global__ void k() {}\nint main() { k<<<1$(COMMA)1>>>(); \
    cublasHandle_t h; return cublasCreate(&h); }\n,$\
    $(NVCC) -std=c++20 -arch=sm_75 -x cu -,-lcublas),$(if $(filter command,$(origin NVCC)),off))
HAS_OPENBLAS := $(call wanted,$(OPENBLAS),$(call probe_cc,openblas,$\
    $(HASH)include <cblas.h>\nint main() { openblas_set_num_threads(1); }\n,-lopenblas))
HAS_ONNX := $(call wanted,$(ONNX),$(call probe_cc,onnx,$\
    $(HASH)include <onnx/onnx_pb.h>\nint main() { onnx::ModelProto m; return m.ByteSizeLong(); }\n,$\
    $(ONNX_FLAGS) $(ONNX_LIBS)))
HAS_ZLIB := $(call wanted,$(ZLIB),$(call probe_cc,zlib,$\
    $(HASH)include <zlib.h>\nint main() { return gzopen("x"$(COMMA)"rb") != 0; }\n,-lz))
HAS_TURBOJPEG := $(call wanted,$(TURBOJPEG),$(call probe_cc,turbojpeg,$\
    $(HASH)include <cstdio>\n$(HASH)include <jpeglib.h>\nint main() { \
    jpeg_decompress_struct d; jpeg_create_decompress(&d); return LIBJPEG_TURBO_VERSION_NUMBER == 0; }\n,-ljpeg))
HAS_GEMMLOWP := $(call wanted,$(GEMMLOWP),$(call probe_cc,gemmlowp,$\
    $(HASH)include <gemmlowp/fixedpoint/fixedpoint.h>\nint main() { \
    return gemmlowp::RoundingDivideByPOT(0$(COMMA)1); }\n,))
$(call say,$(HAS_NVCC),nvcc,CPU and CUDA kernels,CPU kernels only)
$(call say,$(HAS_OPENBLAS),OpenBLAS,it serves as the float GEMM,the readable float GEMM serves)
$(call say,$(HAS_ONNX),ONNX,its files are read and written,no ONNX export and no ONNX node tests)
$(call say,$(HAS_ZLIB),zlib,gzip files are read,only plain IDX files are read)
$(call say,$(HAS_TURBOJPEG),libjpeg-turbo,it decodes JPEG files,stb_image decodes JPEG files)
$(call say,$(HAS_GEMMLOWP),gemmlowp,it checks fixed-point arithmetic,no test against its header)
endif
