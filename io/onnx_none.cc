// A build without ONNX.
#include "io/onnx_export.h"
#include "tensor/check.h"

namespace gradus {

namespace {

[[noreturn]] void refuse(const std::string& path) {
    fail(ErrorKind::usage, path, ": this build writes no ONNX files; install libonnx-dev and ",
         "libprotobuf-dev (scripts/setup.sh) and make again without ONNX=0");
}

}  // namespace

OnnxSummary save_onnx(const std::string& path, const QuantizedModel&, const Program&,
                      const OnnxRequest&) {
    refuse(path);
}

OnnxSummary save_float_onnx(const std::string& path, const Graph&, const OnnxRequest&) {
    refuse(path);
}

}  // namespace gradus
