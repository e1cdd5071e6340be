// rng -- counter-based random numbers: Philox4x32-10 (Salmon et al., SC 2011).
//
// A draw is a pure function of (seed, purpose, stream, index): no state to save, no order to keep,
// the same on any number of threads and across a resume.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tensor/kernel.h"

namespace gradus {

// The block function: 10 rounds, key and counter as in Random123.
HOST_DEVICE inline std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter,
                                                      std::array<uint32_t, 2> key) {
    for (int round = 0; round < 10; ++round) {
        const uint64_t p0 = uint64_t{0xD2511F53u} * counter[0];
        const uint64_t p1 = uint64_t{0xCD9E8D57u} * counter[2];
        counter = {static_cast<uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(p1),
                   static_cast<uint32_t>(p0 >> 32) ^ counter[3] ^ key[1],
                   static_cast<uint32_t>(p0)};
        key[0] += 0x9E3779B9u;
        key[1] += 0xBB67AE85u;
    }
    return counter;
}

class Rng {
  public:
    explicit Rng(uint64_t seed) : key_(seed) {}

    // An independent generator for one purpose ("init", "shuffle", "augment", ...).
    Rng split(std::string_view purpose) const;
    // An independent generator for one number (epoch, sample, layer, ...).
    Rng split(uint64_t number) const;

    // The index-th draws of this generator.
    uint32_t bits(uint64_t index) const;
    // Uniform in [0, 1), a multiple of 2^-24: exact in float.
    float uniform(uint64_t index) const { return static_cast<float>(bits(index) >> 8) * 0x1p-24f; }
    // Uniform integer in [0, bound), by Lemire's multiplication (bias below bound / 2^32).
    uint32_t below(uint64_t index, uint32_t bound) const {
        return static_cast<uint32_t>((uint64_t{bits(index)} * bound) >> 32);
    }
    // A permutation of 0..n-1 (Fisher-Yates).
    std::vector<int64_t> permutation(int64_t n) const;

    uint64_t key() const { return key_; }

  private:
    uint64_t key_;
};

}  // namespace gradus
