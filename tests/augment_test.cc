// augment -- reaches all shifts and mirror images, keyed by the generator alone.
#include "data/augment.h"

#include <boost/test/unit_test.hpp>
#include <numeric>
#include <set>
#include <string>

using namespace gradus;

namespace {

const Shape kShape = {3, 4, 2};

using Image = std::string;  // bytes; sets of byte vectors make g++ 12 warn without cause

Image numbered() {
    Image image(kShape.numel(), ' ');
    std::iota(image.begin(), image.end(), 'A');
    return image;
}

Image augmented(const Augmentation& augmentation, uint64_t seed) {
    const Image from = numbered();
    Image result(kShape.numel(), '?');
    augment(augmentation, Rng(seed), kShape, reinterpret_cast<const uint8_t*>(from.data()),
            reinterpret_cast<uint8_t*>(result.data()));
    return result;
}

// The image moved by (down, right), mirrored first if `flip`, black elsewhere.
Image moved(int64_t down, int64_t right, bool flip) {
    const Image from = numbered();
    Image to(from.size(), '\0');
    for (int64_t y = 0; y < 3; ++y) {
        for (int64_t x = 0; x < 4; ++x) {
            const int64_t to_y = y + down, to_x = (flip ? 3 - x : x) + right;
            if (to_y < 0 || to_y >= 3 || to_x < 0 || to_x >= 4) continue;
            for (int64_t c = 0; c < 2; ++c)
                to[(to_y * 4 + to_x) * 2 + c] = from[(y * 4 + x) * 2 + c];
        }
    }
    return to;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(augment_images, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(without_padding_and_flip_nothing_changes) {
    for (uint64_t seed = 0; seed < 20; ++seed) BOOST_TEST(augmented({}, seed) == numbered());
}

BOOST_AUTO_TEST_CASE(crops_reach_every_shift_and_no_other) {
    std::set<Image> expected, seen;
    for (int64_t down = -1; down <= 1; ++down) {
        for (int64_t right = -1; right <= 1; ++right) expected.insert(moved(down, right, false));
    }
    for (uint64_t seed = 0; seed < 300; ++seed) seen.insert(augmented({.crop_padding = 1}, seed));
    BOOST_TEST(expected.size() == 9u);
    BOOST_TEST((seen == expected));
}

BOOST_AUTO_TEST_CASE(flips_happen_one_time_in_two) {
    int flipped = 0;
    for (uint64_t seed = 0; seed < 1000; ++seed) {
        const Image result = augmented({.flip = true}, seed);
        const bool mirrored = result == moved(0, 0, true);
        BOOST_TEST((mirrored || result == numbered()));
        flipped += mirrored;
    }
    BOOST_TEST(flipped > 430);
    BOOST_TEST(flipped < 570);
}

BOOST_AUTO_TEST_CASE(crop_and_flip_go_together) {
    std::set<Image> expected, seen;
    for (int64_t down = -2; down <= 2; ++down) {
        for (int64_t right = -2; right <= 2; ++right) {
            expected.insert(moved(down, right, false));
            expected.insert(moved(down, right, true));
        }
    }
    const Augmentation both = {.crop_padding = 2, .flip = true};
    for (uint64_t seed = 0; seed < 1500; ++seed) seen.insert(augmented(both, seed));
    BOOST_TEST((seen == expected));
    BOOST_TEST(augmented(both, 5) == augmented(both, 5));
}

BOOST_AUTO_TEST_SUITE_END()
