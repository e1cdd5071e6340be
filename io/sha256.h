// sha256 -- SHA-256 of a stream of bytes (FIPS 180-4).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gradus {

class Sha256 {
  public:
    using State = std::array<uint32_t, 8>;

    // Uses the CPU's SHA instructions if it has them, unless `readable` is true.
    explicit Sha256(bool readable = false);

    void update(const void* bytes, size_t count);
    // The digest as 64 lower-case hexadecimal digits; the object is spent after this.
    std::string hex();

  private:
    void (*compress_)(State& state, const unsigned char* block);
    State state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    std::array<unsigned char, 64> block_;
    uint64_t count_ = 0;  // bytes so far
};

std::string sha256_hex(std::string_view bytes);
// The hash of a whole file; a file that cannot be read is ErrorKind::data.
std::string sha256_file(const std::string& path);

}  // namespace gradus
