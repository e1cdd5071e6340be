#include "tensor/tensor.h"

#include <boost/test/unit_test.hpp>

#include "tensor/affine.h"
#include "tests/compare.h"
#include "tests/files.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(tensor, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(copies_share_and_clones_do_not) {
    Tensor a = Tensor::from<float>({1, 2, 3, 4}, {2, 2});
    Tensor shared = a, own = a.clone(), flat = a.reshape({4});
    a.data<float>()[0] = 9;
    BOOST_TEST(shared.data<float>()[0] == 9.0f);
    BOOST_TEST(flat.data<float>()[0] == 9.0f);
    BOOST_TEST(own.data<float>()[0] == 1.0f);
}

BOOST_AUTO_TEST_CASE(misuse_is_refused_with_the_facts) {
    Tensor a = Tensor::zeros({2, 3});
    BOOST_TEST(throws(ErrorKind::runtime, {"F64", "F32"}, [&] { a.data<double>(); }));
    BOOST_TEST(throws(ErrorKind::runtime, {"[2, 3]", "[4]"}, [&] { a.reshape({4}); }));
    BOOST_TEST(throws(ErrorKind::runtime, {"2 values", "[3]"}, [] {
        Tensor::from<float>({1, 2}, {3});
    }));
    BOOST_TEST(throws(ErrorKind::runtime, {"[-1]"}, [] { Tensor::empty({-1}); }));
    BOOST_TEST(
        throws(ErrorKind::runtime, {"copy", "[2]"}, [&] { a.copy_from(Tensor::zeros({2})); }));
}

BOOST_AUTO_TEST_CASE(the_allocator_counts_and_reuses) {
    const size_t before = allocated_bytes();
    reset_peak_allocated_bytes();
    const void* first = nullptr;
    {
        const Tensor a = Tensor::empty({1000});
        first = a.raw();
        BOOST_TEST(allocated_bytes() >= before + 4000);
        BOOST_TEST(reinterpret_cast<uintptr_t>(first) % 64 == 0u);
    }
    BOOST_TEST(allocated_bytes() == before);
    BOOST_TEST(peak_allocated_bytes() >= before + 4000);
    BOOST_TEST(Tensor::empty({1000}).raw() == first);
}

BOOST_AUTO_TEST_CASE(an_empty_tensor_is_a_value) {
    const Tensor none = Tensor::zeros({0, 3});
    BOOST_TEST(none.defined());
    BOOST_TEST(none.clone().numel() == 0);
    BOOST_TEST(!Tensor().defined());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(dequantize, *boost::unit_test::label("unit"))

namespace {

// The definition, element by element; `channel` from the flat index.
template <class Code, class Channel>
Tensor by_definition(const Affine& a, const Channel& channel) {
    Tensor y = Tensor::empty(a.shape());
    for (int64_t i = 0; i < y.numel(); ++i) {
        const int64_t c = a.per_channel() ? channel(i) : 0;
        const int32_t q = a.codes.data<Code>()[i], z = a.zero_point.data<int32_t>()[c];
        const float value = a.scale.data<float>()[c] * static_cast<float>(q - z);
        y.data<float>()[i] = a.count == 1 ? value : value / static_cast<float>(a.count);
    }
    return y;
}

Affine per_channel(const Tensor& codes, int64_t channels, int axis) {
    return Affine{codes, random_tensor({channels}, 8, 0.001f, 1),
                  random_codes<int32_t>({channels}, 9, -20, 20), axis};
}

int64_t zero(int64_t) {
    return 0;
}

}  // namespace

BOOST_AUTO_TEST_CASE(one_scale) {
    const Affine i8 = affine(random_codes<int8_t>({3, 5, 7, 701}, 1, -128, 127), 0.3f, -5);
    const Affine u8 = affine(random_codes<uint8_t>({3, 5, 7, 701}, 2, 0, 255), 0.3f, 200);
    const Affine i32 =
        affine(random_codes<int32_t>({3, 5, 7, 701}, 3, -1 << 29, 1 << 29), 1e-4f, 0);
    BOOST_TEST(same_bits(gradus::dequantize(i8), by_definition<int8_t>(i8, zero)));
    BOOST_TEST(same_bits(gradus::dequantize(u8), by_definition<uint8_t>(u8, zero)));
    BOOST_TEST(same_bits(gradus::dequantize(i32), by_definition<int32_t>(i32, zero)));
}

BOOST_AUTO_TEST_CASE(scales_of_an_axis) {
    const Affine first = per_channel(random_codes<int8_t>({45, 3, 3, 37}, 1, -127, 127), 45, 0);
    const Affine last = per_channel(random_codes<int32_t>({20, 9, 9, 37}, 1, -999, 999), 37, -1);
    const Affine middle = per_channel(random_codes<uint8_t>({4, 6, 5000}, 1, 0, 255), 6, 1);
    BOOST_TEST(same_bits(gradus::dequantize(first),
                         by_definition<int8_t>(first, [](int64_t i) { return i / (9 * 37); })));
    BOOST_TEST(same_bits(gradus::dequantize(last),
                         by_definition<int32_t>(last, [](int64_t i) { return i % 37; })));
    BOOST_TEST(same_bits(gradus::dequantize(middle),
                         by_definition<uint8_t>(middle, [](int64_t i) { return i / 5000 % 6; })));
}

BOOST_AUTO_TEST_CASE(averages_are_divided_after_the_product) {
    Affine a = affine(random_codes<int32_t>({9, 31}, 1, -9999, 9999), 0.3f, 49 * 3);
    a.count = 49;
    BOOST_TEST(same_bits(gradus::dequantize(a), by_definition<int32_t>(a, zero)));
}

BOOST_AUTO_TEST_CASE(sums_are_added_in_order_and_clamped_last) {
    Affine a = per_channel(random_codes<int32_t>({11, 37}, 1, -999, 999), 37, -1);
    Affine b = affine(random_codes<uint8_t>({11, 37}, 2, 0, 255), 0.7f, 100);
    const Tensor left = gradus::dequantize(a), right = gradus::dequantize(b);
    const Tensor sum = gradus::dequantize(Exact{{a, b}, -1.0f, 6.0f});
    for (int64_t i = 0; i < sum.numel(); ++i) {
        const float value = left.data<float>()[i] + right.data<float>()[i];
        BOOST_TEST(sum.data<float>()[i] == std::min(std::max(value, -1.0f), 6.0f));
    }
}

BOOST_AUTO_TEST_CASE(is_the_same_with_any_thread_count) {
    BOOST_TEST(same_with_threads([] {
        const Affine a = per_channel(random_codes<int32_t>({3000, 37}, 1, -999, 999), 37, -1);
        return std::vector<Tensor>{gradus::dequantize(a)};
    }));
}

BOOST_AUTO_TEST_CASE(scales_that_do_not_fit_are_refused) {
    Affine a = per_channel(random_codes<int8_t>({4, 5}, 1, -9, 9), 3, -1);
    BOOST_TEST(throws(ErrorKind::runtime, {"dequantize", "3 scales", "[4, 5]"},
                      [&] { gradus::dequantize(a); }));
    BOOST_TEST(throws(ErrorKind::runtime, {"dequantize", "F32"},
                      [] { gradus::dequantize(affine(Tensor::zeros({3}), 1, 0)); }));
}

BOOST_AUTO_TEST_SUITE_END()
