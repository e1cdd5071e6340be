#include "io/safetensors.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
    return gradus::fuzz::run(bytes, size,
                             [](const std::string& path) { gradus::load_safetensors(path); });
}
