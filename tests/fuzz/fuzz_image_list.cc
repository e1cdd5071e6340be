#include "data/image_folder.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
    return gradus::fuzz::run_on_bytes(size, [&] {
        gradus::parse_image_list("fuzz", {bytes, size});
    });
}
