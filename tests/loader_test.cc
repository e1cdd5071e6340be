// loader -- the same batches for any prefetch depth and starting point; errors and ends are clean.
#include "data/loader.h"

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <map>
#include <set>

#include "data/synthetic.h"
#include "tests/files.h"

using namespace gradus;

namespace {

constexpr LoaderOptions kTraining = {
    .batch_size = 8, .shuffle = true, .drop_last = true, .augmentation = {2, true}, .prefetch = 3};

DatasetPtr small_set(int64_t size = 50) {
    return make_synthetic({.size = size, .image_size = 12});
}

std::vector<Batch> rest(Loader& loader) {
    std::vector<Batch> batches;
    while (std::optional<Batch> batch = loader.next()) batches.push_back(std::move(*batch));
    return batches;
}

std::vector<Batch> epoch(const LoaderOptions& options, int64_t number, int64_t first = 0,
                         uint64_t seed = 1) {
    Loader loader(small_set(), options, Rng(seed));
    loader.start(number, first);
    return rest(loader);
}

bool same_bits(const Tensor& a, const Tensor& b) {
    return a.shape() == b.shape() && a.dtype() == b.dtype() &&
           std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

bool same(const std::vector<Batch>& a, const std::vector<Batch>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Batch& x, const Batch& y) {
        return same_bits(x.images, y.images) && same_bits(x.labels, y.labels) &&
               x.indices == y.indices && x.number == y.number;
    });
}

std::vector<int64_t> order(const std::vector<Batch>& batches) {
    std::vector<int64_t> indices;
    for (const Batch& batch : batches) {
        indices.insert(indices.end(), batch.indices.begin(), batch.indices.end());
    }
    return indices;
}

// The bytes of each sample's image, by index.
std::map<int64_t, std::vector<float>> by_sample(const std::vector<Batch>& batches) {
    std::map<int64_t, std::vector<float>> images;
    for (const Batch& batch : batches) {
        const std::vector<float> values = batch.images.to_vector<float>();
        const int64_t count = batch.images.numel() / batch.images.shape()[0];
        for (size_t n = 0; n < batch.indices.size(); ++n) {
            const auto begin = values.begin() + static_cast<int64_t>(n) * count;
            images[batch.indices[n]] = std::vector<float>(begin, begin + count);
        }
    }
    return images;
}

// Two channels with one value each, and an unreadable image.
class Unreliable : public Dataset {
  public:
    explicit Unreliable(int64_t broken) : Dataset(make_facts()), broken_(broken) {}
    int64_t label(int64_t index) const override { return index % 2; }
    void image(int64_t index, uint8_t* pixels) const override {
        ++asked;
        check_kind(index != broken_, ErrorKind::data, "image ", index, " is broken");
        pixels[0] = static_cast<uint8_t>(index);
        pixels[1] = 255;
    }
    mutable std::atomic<int> asked = 0;

  private:
    static DatasetFacts make_facts() {
        DatasetFacts facts;
        facts.name = "unreliable";
        facts.classes = {"even", "odd"};
        facts.size = 100;
        facts.image_shape = {1, 1, 2};
        facts.mean = {0.25f, 0.5f};
        facts.deviation = {0.3f, 0.7f};
        return facts;
    }
    int64_t broken_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(loader, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(evaluation_is_in_order_with_the_partial_batch) {
    const std::vector<Batch> batches = epoch({.batch_size = 16}, 0);
    BOOST_REQUIRE(batches.size() == 4u);
    BOOST_TEST(batches[3].images.shape() == (Shape{2, 12, 12, 1}));
    BOOST_TEST(batches[3].labels.shape() == (Shape{2}));
    const std::vector<int64_t> indices = order(batches);
    for (int64_t i = 0; i < 50; ++i) BOOST_TEST(indices[i] == i);
    BOOST_TEST(batches[1].labels.to_vector<int64_t>()[3] == small_set()->label(19));
}

BOOST_AUTO_TEST_CASE(values_are_normalised_as_documented) {
    Loader loader(std::make_shared<Unreliable>(-1), {.batch_size = 100});
    loader.start(0);
    const std::vector<float> values = loader.next()->images.to_vector<float>();
    for (int p = 0; p < 100; ++p) {
        volatile float unit = static_cast<float>(p) / 255.0f;
        volatile float centred = unit - 0.25f;
        BOOST_TEST(values[2 * p] == centred / 0.3f);
        BOOST_TEST(values[2 * p + 1] == (1.0f - 0.5f) / 0.7f);
    }
}

BOOST_AUTO_TEST_CASE(an_epoch_is_a_permutation_of_its_own) {
    LoaderOptions all = kTraining;
    all.drop_last = false;
    const std::vector<int64_t> first = order(epoch(all, 0));
    BOOST_TEST(std::set<int64_t>(first.begin(), first.end()).size() == 50u);
    BOOST_TEST(first.size() == 50u);
    BOOST_TEST(order(epoch(all, 0)) == first);
    BOOST_TEST(order(epoch(all, 1)) != first);
    BOOST_TEST(order(epoch(all, 0, 0, 2)) != first);
    BOOST_TEST(order(epoch(kTraining, 0)).size() == 48u);
}

BOOST_AUTO_TEST_CASE(the_prefetch_depth_does_not_matter) {
    const std::vector<Batch> reference = epoch(kTraining, 3);
    BOOST_TEST(reference.size() == 6u);
    for (int64_t prefetch : {1, 2, 100}) {
        LoaderOptions options = kTraining;
        options.prefetch = prefetch;
        BOOST_TEST(same(epoch(options, 3), reference));
    }
}

BOOST_AUTO_TEST_CASE(an_epoch_goes_on_from_its_middle) {
    const std::vector<Batch> whole = epoch(kTraining, 2);
    for (int64_t first = 0; first <= 6; ++first) {
        const std::vector<Batch> tail(whole.begin() + first, whole.end());
        BOOST_TEST(same(epoch(kTraining, 2, first), tail));
    }
}

BOOST_AUTO_TEST_CASE(augmentation_follows_the_sample_not_the_batch) {
    LoaderOptions options = kTraining;
    options.drop_last = false;
    const auto reference = by_sample(epoch(options, 1));
    for (int64_t batch_size : {1, 7, 50}) {
        options.batch_size = batch_size;
        BOOST_TEST((by_sample(epoch(options, 1)) == reference));
    }
    options.shuffle = false;
    BOOST_TEST((by_sample(epoch(options, 1)) == reference));
    BOOST_TEST((by_sample(epoch(options, 2)) != reference));
    BOOST_TEST((by_sample(epoch(options, 1, 0, 9)) != reference));
}

BOOST_AUTO_TEST_CASE(a_loader_can_start_again) {
    Loader loader(small_set(), kTraining, Rng(1));
    BOOST_TEST(!loader.next().has_value());
    loader.start(0);
    loader.next();
    loader.start(2);
    BOOST_TEST(same(rest(loader), epoch(kTraining, 2)));
    BOOST_TEST(!loader.next().has_value());
    loader.start(3, 6);
    BOOST_TEST(!loader.next().has_value());
}

// One batch is taken, two are ready, one is in progress: then the worker must wait.
BOOST_AUTO_TEST_CASE(no_more_is_prepared_than_asked_for) {
    const auto data = std::make_shared<Unreliable>(-1);
    Loader loader(data, {.batch_size = 10, .prefetch = 2});
    loader.start(0);
    loader.next();
    while (data->asked < 40) std::this_thread::yield();
    for (int i = 0; i < 1000; ++i) std::this_thread::yield();
    BOOST_TEST(data->asked == 40);
}

BOOST_AUTO_TEST_CASE(an_exception_arrives_after_the_good_batches) {
    Loader loader(std::make_shared<Unreliable>(25), {.batch_size = 10});
    for (int round = 0; round < 2; ++round) {
        loader.start(0);
        BOOST_TEST(loader.next()->number == 0);
        BOOST_TEST(loader.next()->number == 1);
        BOOST_CHECK(throws(ErrorKind::data, {"image 25 is broken"}, [&] { loader.next(); }));
        BOOST_TEST(!loader.next().has_value());
    }
}

BOOST_AUTO_TEST_CASE(it_ends_cleanly_at_any_moment) {
    for (int taken = 0; taken < 7; ++taken) {
        Loader loader(small_set(), kTraining, Rng(1));
        loader.start(0);
        for (int i = 0; i < taken; ++i) loader.next();
    }
    const Loader never_started(small_set(), kTraining);
}

BOOST_AUTO_TEST_CASE(options_are_checked) {
    BOOST_CHECK(throws(ErrorKind::usage, {"--batch-size 64", "50 images", "smaller"},
                       [] { Loader(small_set(), {.batch_size = 64, .drop_last = true}); }));
    BOOST_CHECK(
        throws(ErrorKind::usage, {"--batch-size"}, [] { Loader(small_set(), {.batch_size = 0}); }));
    Loader loader(small_set(), kTraining);
    BOOST_CHECK_THROW(loader.start(0, 7), Error);
}

BOOST_AUTO_TEST_SUITE_END()
