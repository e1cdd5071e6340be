// resize -- Pillow's pixels to the last bit, crops as views, and data sets at another size.
#include "data/resize.h"

#include <boost/test/unit_test.hpp>
#include <cmath>

#include "data/crop.h"
#include "data/open_dataset.h"
#include "io/npy.h"
#include "tests/files.h"
#include "tests/train_process.h"

using namespace gradus;

namespace {

using Pixels = std::vector<uint8_t>;

Tensor golden(const std::string& name) {
    return load_npy("tests/golden/resize/" + name + ".npy");
}

ImageView view_of(const uint8_t* pixels, const Shape& shape) {
    return {pixels, shape[0], shape[1], shape[2], shape[1] * shape[2]};
}

Pixels resized(const Pixels& from, const Shape& shape, int64_t height, int64_t width) {
    Pixels to(height * width * shape[2]);
    gradus::resize(view_of(from.data(), shape), Interpolation::bilinear, height, width, to.data());
    return to;
}

// Counts cases that differ from Pillow in any bit.
int different_from_pillow(Interpolation interpolation, const std::string& name) {
    int different = 0;
    const std::vector<int64_t> sizes = golden("sizes").to_vector<int64_t>();
    const std::vector<float> boxes = golden("boxes").to_vector<float>();
    for (size_t n = 0; n < sizes.size() / 4; ++n) {
        const Tensor from = golden("input_" + std::to_string(n));
        const Tensor expected = golden(name + "_" + std::to_string(n));
        const int64_t height = sizes[4 * n + 2], width = sizes[4 * n + 3];
        BOOST_REQUIRE(expected.shape() == (Shape{height, width, 3}));
        const Box box{boxes[4 * n], boxes[4 * n + 1], boxes[4 * n + 2], boxes[4 * n + 3]};
        Pixels to(height * width * 3);
        gradus::resize(view_of(from.data<uint8_t>(), from.shape()), box, interpolation, height,
                       width, to.data());
        different += to != expected.to_vector<uint8_t>();
    }
    return different;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(resize, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(it_is_pillow_s) {
    BOOST_TEST(different_from_pillow(Interpolation::bilinear, "bilinear") == 0);
    BOOST_TEST(different_from_pillow(Interpolation::bicubic, "bicubic") == 0);
}

BOOST_AUTO_TEST_CASE(the_same_size_changes_nothing) {
    const Pixels image = {1, 200, 30, 4, 255, 0, 7, 99, 10, 11, 12, 13};
    BOOST_TEST(resized(image, {2, 2, 3}, 2, 2) == image);
}

// By hand: at twice the size the outer pixels are copies, the inner ones 3/4 and 1/4.
BOOST_AUTO_TEST_CASE(enlarging_interpolates_every_channel_count) {
    for (int64_t channels = 1; channels <= 4; ++channels) {
        Pixels image, expected;
        for (const int value : {0, 100}) image.insert(image.end(), channels, value);
        for (const int value : {0, 25, 75, 100}) expected.insert(expected.end(), channels, value);
        BOOST_TEST(resized(image, {1, 2, channels}, 1, 4) == expected);
    }
}

BOOST_AUTO_TEST_CASE(a_crop_sees_nothing_around_it) {
    const Tensor from = golden("input_9");
    const ImageView crop = view_of(from.data<uint8_t>(), from.shape()).crop(11, 20, 23, 31);
    Pixels alone;
    for (int64_t y = 0; y < crop.height; ++y) {
        const uint8_t* row = crop.pixels + y * crop.stride;
        alone.insert(alone.end(), row, row + 3 * crop.width);
    }
    Pixels to(9 * 14 * 3);
    gradus::resize(crop, Interpolation::bilinear, 9, 14, to.data());
    BOOST_TEST(to == resized(alone, {23, 31, 3}, 9, 14));
}

BOOST_AUTO_TEST_CASE(a_data_set_changes_its_size) {
    DatasetOptions options;
    options.name = "mnist";
    const TemporaryFolder folder;
    options.path = write_tiny_data(folder);
    const DataSplits original = open_dataset(options);
    options.image_size = 13;
    const DataSplits data = open_dataset(options);
    BOOST_TEST(data.train->image_shape() == (Shape{13, 13, 1}));
    BOOST_TEST(data.test->image_shape() == (Shape{13, 13, 1}));
    Pixels before(64), pixels(169);
    original.train->image(5, before.data());
    data.train->image(5, pixels.data());
    BOOST_TEST(pixels == resized(before, {8, 8, 1}, 13, 13));
    options.image_size = 7;
    BOOST_CHECK(throws(ErrorKind::usage, {"--image-size 7"}, [&] { open_dataset(options); }));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(crop, *boost::unit_test::label("unit"))

// torchvision: int(round((whole - size) / 2.0)) in Python, which rounds halves to even.
BOOST_AUTO_TEST_CASE(halves_go_to_the_even_offset) {
    const int64_t expected[] = {0, 0, 1, 2, 2, 2, 3, 4, 4, 4, 5};
    for (int64_t rest = 0; rest <= 10; ++rest) {
        BOOST_TEST(centre_offset(224 + rest, 224) == expected[rest]);
    }
}

BOOST_AUTO_TEST_CASE(the_shorter_side_is_met_and_the_longer_rounded_down) {
    BOOST_TEST((shorter_side_to(256, 375, 500) == Rectangle{0, 0, 256, 341}));
    BOOST_TEST((shorter_side_to(256, 500, 375) == Rectangle{0, 0, 341, 256}));
    BOOST_TEST((shorter_side_to(8, 3, 3) == Rectangle{0, 0, 8, 8}));
}

BOOST_AUTO_TEST_CASE(random_crops_have_the_areas_and_ratios_asked_for) {
    double area = 0.0, ratio = 0.0;
    int upper = 0;
    for (uint64_t seed = 0; seed < 2000; ++seed) {
        const Rectangle r = random_resized_crop(300, 400, Rng(seed));
        BOOST_TEST((r.top >= 0 && r.left >= 0 && r.top + r.height <= 300));
        BOOST_TEST(r.left + r.width <= 400);
        const double share = static_cast<double>(r.height * r.width) / 120000;
        const double shape = static_cast<double>(r.width) / static_cast<double>(r.height);
        BOOST_TEST((share > 0.078 && shape > 0.74 && shape < 1.35));
        area += share;
        ratio += std::log(shape);
        upper += 2 * r.top < 300 - r.height;
    }
    // Uniform from 8 to 100 % would give 54; a crop that does not fit is drawn again.
    BOOST_TEST((area / 2000 > 0.40 && area / 2000 < 0.54));
    BOOST_TEST(std::abs(ratio / 2000) < 0.06);
    BOOST_TEST((upper > 850 && upper < 1150));
    BOOST_TEST((random_resized_crop(300, 400, Rng(1)) == random_resized_crop(300, 400, Rng(1))));
}

// No crop of 8 % of the area with such ratios fits into a thread.
BOOST_AUTO_TEST_CASE(after_ten_attempts_it_is_the_centre) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
        BOOST_TEST((random_resized_crop(10, 1000, Rng(seed)) == Rectangle{0, 493, 10, 13}));
        BOOST_TEST((random_resized_crop(1000, 10, Rng(seed)) == Rectangle{493, 0, 13, 10}));
    }
}

BOOST_AUTO_TEST_SUITE_END()
