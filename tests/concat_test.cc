#include <boost/test/unit_test.hpp>

#include "autograd/ops.h"
#include "tests/compare.h"
#include "tests/files.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(concat, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(golden_forward_and_backward) {
    std::vector<Variable> inputs;
    for (const std::string name : {"a", "b", "c"}) {
        inputs.emplace_back(golden("concat/" + name), true);
    }
    const Variable y = gradus::concat(inputs);
    backward_from(y, golden("concat/dy"));
    BOOST_TEST(same_bits(y.data(), golden("concat/y")));
    BOOST_TEST(same_bits(inputs[0].grad(), golden("concat/da")));
    BOOST_TEST(same_bits(inputs[1].grad(), golden("concat/db")));
    BOOST_TEST(same_bits(inputs[2].grad(), golden("concat/dc")));
}

// Tests the operator itself, on floats: it is linear, so a large step is exact enough.
BOOST_AUTO_TEST_CASE(gradient_is_numeric) {
    const auto variables = [](const Arrays& in) {
        std::vector<Variable> result;
        for (const std::vector<double>& values : in) {
            const int64_t channels = static_cast<int64_t>(values.size()) / 4;
            const std::vector<float> floats(values.begin(), values.end());
            result.emplace_back(Tensor::from(floats, {2, 1, 2, channels}), true);
        }
        return result;
    };
    const auto wide = [](const Tensor& t) {
        const std::vector<float> v = t.to_vector<float>();
        return std::vector<double>(v.begin(), v.end());
    };
    const GradcheckResult result =
        gradcheck([&](const Arrays& in) { return wide(gradus::concat(variables(in)).data()); },
                  [&](const Arrays& in, const std::vector<double>& dy) {
                      const std::vector<Variable> inputs = variables(in);
                      const std::vector<float> floats(dy.begin(), dy.end());
                      backward_from(gradus::concat(inputs), Tensor::from(floats, {2, 1, 2, 5}));
                      return Arrays{wide(inputs[0].grad()), wide(inputs[1].grad())};
                  },
                  {gradcheck_values(8, -1, 1, 1), gradcheck_values(12, -1, 1, 2)}, 0.25);
    BOOST_TEST(result.worst < 1e-6, result.where);
}

BOOST_AUTO_TEST_CASE(codes_of_one_grid_stay_codes) {
    const Affine a = affine(random_codes<uint8_t>({2, 3, 2, 4}, 1, 0, 15), 0.1f, 7);
    const Affine b = affine(random_codes<uint8_t>({2, 3, 2, 3}, 2, 0, 15), 0.1f, 7);
    const Variable y = gradus::concat({Variable(Exact{{a}}), Variable(Exact{{b}})});
    BOOST_REQUIRE(y.exact() != nullptr);
    BOOST_TEST(y.exact()->is_codes());
    const Variable want = gradus::concat({Variable(dequantize(a)), Variable(dequantize(b))});
    BOOST_TEST(same_bits(y.data(), want.data()));
}

BOOST_AUTO_TEST_CASE(other_grids_are_joined_as_floats) {
    const Affine a = affine(random_codes<uint8_t>({2, 3, 2, 4}, 1, 0, 15), 0.1f, 7);
    Affine scale = a, zero = a, sums = a, type = a;
    scale.scale = Tensor::full({1}, std::nextafter(0.1f, 1.0f));
    zero.zero_point = Tensor::from<int32_t>({8}, {1});
    sums.count = 4;
    type.codes = random_codes<int8_t>({2, 3, 2, 4}, 1, 0, 15);
    for (const Affine& b : {scale, zero, sums, type}) {
        const Variable y = gradus::concat({Variable(Exact{{a}}), Variable(Exact{{b}})});
        BOOST_TEST(y.exact() == nullptr);
        const Variable want = gradus::concat({Variable(dequantize(a)), Variable(dequantize(b))});
        BOOST_TEST(same_bits(y.data(), want.data()));
    }
}

BOOST_AUTO_TEST_CASE(other_extents_are_refused) {
    BOOST_TEST(throws(ErrorKind::runtime, {"concat", "[2, 1, 1, 3]", "[2, 2, 1, 3]"}, [] {
        gradus::concat(
            {Variable(Tensor::zeros({2, 1, 1, 3})), Variable(Tensor::zeros({2, 2, 1, 3}))});
    }));
}

BOOST_AUTO_TEST_SUITE_END()
