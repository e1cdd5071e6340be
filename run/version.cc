#include "run/version.h"

// The Makefile defines these for this file alone; without them the build is only unknown.
#ifndef GRADUS_VERSION
#define GRADUS_VERSION "0.1.0"
#define GRADUS_COMMIT "unknown"
#define GRADUS_COMPILER "unknown compiler"
#define GRADUS_WITH_CUDA "no"
#define GRADUS_WITH_OPENBLAS "no"
#define GRADUS_WITH_ONNX "no"
#define GRADUS_WITH_ZLIB "no"
#define GRADUS_WITH_TURBOJPEG "no"
#endif

namespace gradus {

namespace {

std::string part(const std::string& name, const std::string& answer) {
    return (answer == "yes" ? ", +" : ", -") + name;
}

}  // namespace

std::string version() {
    return GRADUS_VERSION;
}

std::string version_commit() {
    return GRADUS_COMMIT;
}

std::string version_build() {
    return GRADUS_COMPILER + part("cuda", GRADUS_WITH_CUDA) +
           part("openblas", GRADUS_WITH_OPENBLAS) + part("onnx", GRADUS_WITH_ONNX) +
           part("zlib", GRADUS_WITH_ZLIB) + part("libjpeg-turbo", GRADUS_WITH_TURBOJPEG);
}

std::string version_line() {
    return "gradus " + version() + " (commit " + version_commit() + "; " + version_build() + ")";
}

}  // namespace gradus
