// synthetic -- the images are the same everywhere, balanced, distinct, and not separable by pixels.
#include "data/synthetic.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <set>

#include "io/sha256.h"
#include "tests/files.h"

using namespace gradus;

namespace {

std::vector<uint8_t> image(const Dataset& data, int64_t index) {
    std::vector<uint8_t> pixels(data.image_shape().numel());
    data.image(index, pixels.data());
    return pixels;
}

std::string image_digest(const Dataset& data, int64_t index) {
    const std::vector<uint8_t> pixels = image(data, index);
    Sha256 hash;
    hash.update(pixels.data(), pixels.size());
    return hash.hex();
}

std::string digest(const SyntheticOptions& options) {
    Sha256 hash;
    hash_dataset(*make_synthetic(options), hash);
    return hash.hex();
}

// The accuracy of a linear classifier on fresh images: predicts the class whose mean image is
// nearest.
double nearest_mean_accuracy(int64_t train_count, int64_t test_count) {
    const DatasetPtr train = make_synthetic({.size = train_count});
    const DatasetPtr test = make_synthetic({.train = false, .size = test_count});
    const int64_t pixels = train->image_shape().numel();
    std::vector<std::vector<double>> means(10, std::vector<double>(pixels));
    for (int64_t i = 0; i < train_count; ++i) {
        const std::vector<uint8_t> x = image(*train, i);
        for (int64_t p = 0; p < pixels; ++p) means[train->label(i)][p] += 10.0 * x[p] / train_count;
    }
    int64_t right = 0;
    for (int64_t i = 0; i < test_count; ++i) {
        const std::vector<uint8_t> x = image(*test, i);
        std::vector<double> distance(10);
        for (int k = 0; k < 10; ++k) {
            for (int64_t p = 0; p < pixels; ++p) {
                distance[k] += (x[p] - means[k][p]) * (x[p] - means[k][p]);
            }
        }
        const auto nearest = std::min_element(distance.begin(), distance.end());
        right += nearest - distance.begin() == test->label(i);
    }
    return static_cast<double>(right) / static_cast<double>(test_count);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(synthetic, *boost::unit_test::label("unit"))

// The images are part of the interface: published results depend on them.
BOOST_AUTO_TEST_CASE(the_images_never_change) {
    BOOST_TEST(digest({.size = 200}) ==
               "51ba707895353c0497d22828490592530e4a004f2f0a28a84bbd34dd0b720d42");
    BOOST_TEST(digest({.train = false, .size = 200}) ==
               "76263dd3c5dd0408e3db26c24693dcf0a694c08dd72e45f097d51911bca3a6d6");
    BOOST_TEST(digest({.size = 20, .image_size = 32, .channels = 3}) ==
               "f1b09352a7ea7d8ca4553b5a286cf5c417ba103a77bbf5e43958c9cf7fb01d5a");
}

BOOST_AUTO_TEST_CASE(images_differ_and_classes_are_balanced) {
    const DatasetPtr train = make_synthetic({.size = 500});
    const DatasetPtr test = make_synthetic({.train = false, .size = 500});
    std::set<std::string> seen;  // digests
    std::vector<int> counts(10);
    for (int64_t i = 0; i < 500; ++i) {
        seen.insert(image_digest(*train, i));
        seen.insert(image_digest(*test, i));
        ++counts[train->label(i)];
    }
    BOOST_TEST(seen.size() == 1000u);
    BOOST_TEST(counts == std::vector<int>(10, 50));
}

BOOST_AUTO_TEST_CASE(any_order_gives_the_same_image) {
    const DatasetPtr data = make_synthetic({.size = 10});
    const std::vector<uint8_t> late = image(*data, 7);
    image(*data, 3);
    BOOST_TEST(image(*data, 7) == late);
    BOOST_TEST(image(*make_synthetic({.size = 1000}), 7) == late);
}

BOOST_AUTO_TEST_CASE(the_normalisation_fits) {
    const DatasetPtr data = make_synthetic({.size = 1000});
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < data->size(); ++i) {
        for (uint8_t pixel : image(*data, i)) {
            sum += pixel / 255.0;
            squares += pixel / 255.0 * (pixel / 255.0);
        }
    }
    const double count = static_cast<double>(data->size() * data->image_shape().numel());
    const double mean = sum / count;
    BOOST_TEST(std::abs(mean - data->facts().mean[0]) < 0.02);
    BOOST_TEST(std::abs(std::sqrt(squares / count - mean * mean) - data->facts().deviation[0]) <
               0.02);
}

BOOST_AUTO_TEST_CASE(mean_images_do_not_tell_the_class) {
    BOOST_TEST(nearest_mean_accuracy(2000, 500) < 0.3);
}

BOOST_AUTO_TEST_CASE(options_are_checked) {
    BOOST_CHECK(
        throws(ErrorKind::usage, {"--image-size 7"}, [] { make_synthetic({.image_size = 7}); }));
    BOOST_CHECK(
        throws(ErrorKind::runtime, {"5 channels"}, [] { make_synthetic({.channels = 5}); }));
}

BOOST_AUTO_TEST_SUITE_END()
