// jitter -- torchvision's adjustments on Pillow images to the last bit; factors and orders are
// random.
#include "data/jitter.h"

#include <boost/test/unit_test.hpp>
#include <set>

#include "data/augment.h"
#include "io/npy.h"
#include "tests/files.h"

using namespace gradus;

namespace {

Tensor golden(const std::string& name) {
    return load_npy("tests/golden/jitter/" + name + ".npy");
}

using Adjust = void (*)(float factor, uint8_t* rgb, int64_t count);

// Counts bytes that differ from torchvision's, over all factors.
int64_t different(const std::string& name, Adjust adjust, const std::vector<float>& factors) {
    const std::vector<uint8_t> from = golden("input").to_vector<uint8_t>();
    const std::vector<uint8_t> expected = golden(name).to_vector<uint8_t>();
    BOOST_REQUIRE(expected.size() == factors.size() * from.size());
    int64_t bytes = 0;
    for (size_t n = 0; n < factors.size(); ++n) {
        std::vector<uint8_t> image = from;
        adjust(factors[n], image.data(), static_cast<int64_t>(image.size()) / 3);
        for (size_t i = 0; i < image.size(); ++i) {
            bytes += image[i] != expected[n * from.size() + i];
        }
    }
    return bytes;
}

std::string jittered(const ColourJitter& settings, uint64_t seed) {
    std::string image = "\x10\x80\xf0\x20\x30\x40\xc8\x64\x0a";
    jitter(settings, Rng(seed), reinterpret_cast<uint8_t*>(image.data()), 3);
    return image;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(colour_jitter, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(adjustments_are_torchvision_s) {
    BOOST_TEST(different("brightness", adjust_brightness, {0.0f, 0.37f, 1.0f, 1.61f}) == 0);
    BOOST_TEST(different("contrast", adjust_contrast, {0.0f, 0.6f, 1.0f, 1.45f}) == 0);
    BOOST_TEST(different("saturation", adjust_saturation, {0.0f, 0.55f, 1.0f, 1.83f}) == 0);
    BOOST_TEST(different("hue", adjust_hue, {-0.5f, -0.21f, 0.0f, 0.1f, 0.433f}) == 0);
}

BOOST_AUTO_TEST_CASE(the_mean_grey_is_rounded_half_up) {
    std::vector<uint8_t> image{0, 0, 0, 1, 1, 1};
    adjust_contrast(0.0f, image.data(), 2);
    BOOST_TEST(image == std::vector<uint8_t>(6, 1));
}

BOOST_AUTO_TEST_CASE(each_setting_changes_the_image_and_none_does_not) {
    const std::string original = jittered({}, 1);
    std::set<std::string> seen;
    for (const ColourJitter& one : {ColourJitter{0.5f, 0, 0, 0}, ColourJitter{0, 0.5f, 0, 0},
                                    ColourJitter{0, 0, 0.5f, 0}, ColourJitter{0, 0, 0, 0.5f}}) {
        BOOST_TEST(jittered(one, 1) != original);
        BOOST_TEST(jittered(one, 1) == jittered(one, 1));
        BOOST_TEST(jittered(one, 1) != jittered(one, 2));
        seen.insert(jittered(one, 1));
    }
    BOOST_TEST(seen.size() == 4u);
}

BOOST_AUTO_TEST_CASE(grey_images_are_refused) {
    const uint8_t from[4] = {};
    uint8_t to[4];
    const Augmentation augmentation{.jitter = {.brightness = 0.5f}};
    BOOST_CHECK(throws(ErrorKind::usage, {"--brightness", "RGB", "1 channels"}, [&] {
        augment(augmentation, Rng(1), {2, 2, 1}, from, to);
    }));
}

BOOST_AUTO_TEST_SUITE_END()
