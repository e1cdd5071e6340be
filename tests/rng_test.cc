#include "tensor/rng.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <numeric>
#include <set>

using namespace gradus;

namespace {

using Block = std::array<uint32_t, 4>;

}  // namespace

BOOST_AUTO_TEST_SUITE(rng, *boost::unit_test::label("unit"))

// The known answers of Random123 for Philox4x32 with 10 rounds.
BOOST_AUTO_TEST_CASE(known_answers) {
    constexpr uint32_t ones = 0xffffffffu;
    BOOST_TEST((philox4x32({0, 0, 0, 0}, {0, 0}) ==
                Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
    BOOST_TEST((philox4x32({ones, ones, ones, ones}, {ones, ones}) ==
                Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
    BOOST_TEST(
        (philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
         Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

BOOST_AUTO_TEST_CASE(draws_walk_through_the_blocks) {
    const Rng rng(0);
    const Block first = philox4x32({0, 0, 0, 0}, {0, 0}), second = philox4x32({1, 0, 0, 0}, {0, 0});
    for (uint64_t i = 0; i < 4; ++i) {
        BOOST_TEST(rng.bits(i) == first[i]);
        BOOST_TEST(rng.bits(4 + i) == second[i]);
    }
    // The index is 64 bits wide: block 2^32 is not block 0.
    BOOST_TEST(rng.bits(uint64_t{1} << 34) == philox4x32({0, 1, 0, 0}, {0, 0})[0]);
}

BOOST_AUTO_TEST_CASE(uniform_and_below_stay_in_range) {
    const Rng rng(7);
    double sum = 0;
    std::array<int, 10> counts{};
    for (uint64_t i = 0; i < 100000; ++i) {
        const float u = rng.uniform(i);
        BOOST_REQUIRE((u >= 0.0f && u < 1.0f));
        sum += u;
        ++counts.at(rng.below(i, 10));
    }
    BOOST_TEST(std::abs(sum / 100000 - 0.5) < 0.005);
    for (int count : counts) BOOST_TEST(std::abs(count - 10000) < 500);
}

BOOST_AUTO_TEST_CASE(a_permutation_is_one) {
    for (const int64_t n : {0, 1, 2, 1000}) {
        std::vector<int64_t> order = Rng(3).permutation(n);
        const std::vector<int64_t> before = order;
        std::sort(order.begin(), order.end());
        std::vector<int64_t> identity(n);
        std::iota(identity.begin(), identity.end(), int64_t{0});
        BOOST_TEST(order == identity);
        if (n > 10) BOOST_TEST(before != identity);
    }
    BOOST_TEST(Rng(3).permutation(100) == Rng(3).permutation(100));
    BOOST_TEST(Rng(3).permutation(100) != Rng(4).permutation(100));
}

BOOST_AUTO_TEST_CASE(streams_differ) {
    const Rng rng(1);
    std::set<uint64_t> keys = {rng.key()};
    for (const char* purpose : {"", "a", "b", "ab", "ba", "init", "shuffle"}) {
        keys.insert(rng.split(purpose).key());
    }
    for (uint64_t number : {uint64_t{0}, uint64_t{1}, uint64_t{2}, uint64_t{1} << 40}) {
        keys.insert(rng.split(number).key());
        keys.insert(rng.split(number).split(uint64_t{1}).key());
    }
    keys.insert(Rng(2).split("init").key());
    BOOST_TEST(keys.size() == 17u);
    BOOST_TEST(rng.split("init").key() == Rng(1).split("init").key());
}

BOOST_AUTO_TEST_SUITE_END()
