#include "tensor/rng.h"

#include <numeric>
#include <utility>

namespace gradus {

namespace {

uint64_t mix(uint64_t key, uint64_t number, uint32_t domain) {
    const auto out = philox4x32(
        {static_cast<uint32_t>(number), static_cast<uint32_t>(number >> 32), domain, 0x53504c54u},
        {static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)});
    return uint64_t{out[0]} | uint64_t{out[1]} << 32;
}

}  // namespace

Rng Rng::split(std::string_view purpose) const {
    uint64_t key = key_;
    for (unsigned char letter : purpose) key = mix(key, letter, 1);
    return Rng(mix(key, purpose.size(), 2));
}

Rng Rng::split(uint64_t number) const {
    return Rng(mix(key_, number, 3));
}

uint32_t Rng::bits(uint64_t index) const {
    const uint64_t block = index / 4;
    const auto out =
        philox4x32({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), 0, 0},
                   {static_cast<uint32_t>(key_), static_cast<uint32_t>(key_ >> 32)});
    return out[index % 4];
}

std::vector<int64_t> Rng::permutation(int64_t n) const {
    std::vector<int64_t> order(n);
    std::iota(order.begin(), order.end(), int64_t{0});
    for (int64_t i = n - 1; i > 0; --i) {
        std::swap(order[i], order[below(static_cast<uint64_t>(i), static_cast<uint32_t>(i + 1))]);
    }
    return order;
}

}  // namespace gradus
