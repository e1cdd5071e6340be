// IDX images and labels, plain and gzip. The first byte chooses the rank.
#include "data/idx.h"
#include "tests/fuzz/fuzz.h"

namespace {

constexpr size_t kMaxRatio = 1100;  // of a deflate stream: more is refused

// What a gzip file says it unpacks to, as far as that may be believed.
size_t declared_size(const uint8_t* bytes, size_t size) {
    if (size < 4 || bytes[0] != 0x1f || bytes[1] != 0x8b) return 0;
    size_t declared = 0;
    for (int i = 0; i < 4; ++i) declared |= size_t{bytes[size - 4 + i]} << (8 * i);
    return std::min(declared, kMaxRatio * size);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
    if (size == 0) return 0;
    const int rank = bytes[0] % 2 == 0 ? 3 : 1;
    const auto read = [=](const std::string& path) { gradus::read_idx(path, rank); };
    return gradus::fuzz::run(bytes + 1, size - 1, read, declared_size(bytes + 1, size - 1));
}
