// IDX images and labels, plain and gzip. The first byte chooses the rank.
#include "data/idx.h"
#include "tests/fuzz/fuzz.h"

namespace {

constexpr size_t kMaxRatio = 1100;  // of a deflate stream, whose bytes grow by at most 1032

// The largest size that a gzip file can unpack to, doubled for the growing buffer.
size_t unpacked_size(const uint8_t* bytes, size_t size) {
    if (size < 2 || bytes[0] != 0x1f || bytes[1] != 0x8b) return 0;
    return 2 * kMaxRatio * size;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
    if (size == 0) return 0;
    const int rank = bytes[0] % 2 == 0 ? 3 : 1;
    const auto read = [=](const std::string& path) { gradus::read_idx(path, rank); };
    return gradus::fuzz::run(bytes + 1, size - 1, read, unpacked_size(bytes + 1, size - 1));
}
