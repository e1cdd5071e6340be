// LSQ+: the formulas in NumPy (tests/golden/make_lsq_plus.py), first values, the offset's two
// forms.
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "tests/files.h"
#include "tests/quantizers.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(lsq_plus, *boost::unit_test::label("unit"))

namespace {

// The arrays of one form, case by case.
struct Golden {
    std::string form;

    Tensor all(const std::string& name) const { return golden("lsq_plus/" + form + "/" + name); }
    int64_t cases() const { return all("scale").numel(); }
    float number(const std::string& name, int64_t k) const { return all(name).data<float>()[k]; }
    template <class T = float>
    std::vector<T> row(const std::string& name, int64_t k) const {
        const Tensor array = all(name);
        const T* begin = array.data<T>() + k * array.shape()[1];
        return std::vector<T>(begin, begin + array.shape()[1]);
    }
    QuantizerKind kind(int64_t k, Role role = Role::activation) const {
        const bool symmetric = form == "symmetric";
        QuantizerKind kind{"lsq+", role,
                           format_of(all("bits").data<int32_t>()[k],
                                     all("is_signed").data<int32_t>()[k] == 1, symmetric),
                           !symmetric};
        kind.simulate = form == "real" ? Simulate::qdq : Simulate::exact;
        return kind;
    }
    Quantizer quantizer(int64_t k) const {
        Quantizer q = make_quantizer(kind(k));
        set_parameter(q, "scale", {number("scale", k)});
        if (q.free_zero_point) set_parameter(q, "beta", {number("beta", k)});
        return q;
    }
};

const std::vector<std::string> forms{"symmetric", "real", "integer"};

std::vector<double> wide(const std::vector<float>& values) {
    return {values.begin(), values.end()};
}

QuantizerKind free_kind(Simulate simulate, const QuantFormat& format = format_of(4, false, false)) {
    QuantizerKind kind{"lsq+", Role::activation, format, true};
    kind.simulate = simulate;
    return kind;
}

}  // namespace

BOOST_AUTO_TEST_CASE(values_and_gradients_are_those_of_the_script) {
    for (const std::string& form : forms) {
        const Golden all{form};
        for (int64_t k = 0; k < all.cases(); ++k) {
            BOOST_TEST_CONTEXT(form << ' ' << k) {
                Quantizer q = all.quantizer(k);
                q.gradient_scale = 1.0f;
                const Use now = use(q, row_of(all.row("x", k)), row_of(all.row("dy", k)));
                BOOST_TEST(now.codes == all.row<int32_t>("codes", k),
                           boost::test_tools::per_element());
                BOOST_TEST(near(now.x_hat(), wide(all.row("x_hat", k)), 1e-5));
                BOOST_TEST(near(now.dx(), wide(all.row("dx", k)), 0));
                // Sums of 40 codes in float.
                const double ds = all.number("ds", k);
                BOOST_TEST(near({now.learned(0)}, {ds}, 2e-5 * std::max(1.0, std::fabs(ds))));
                if (form == "symmetric") continue;
                BOOST_TEST(near({now.learned(1)}, {all.number("dbeta", k)}, 1e-5));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(both_gradients_are_scaled_as_lsq) {
    const Golden all{"real"};
    Quantizer q = all.quantizer(3);
    const Use now = use(q, row_of(all.row("x", 3)), row_of(all.row("dy", 3)));
    const double g = 1.0 / std::sqrt(40.0 * 7.0);
    BOOST_TEST(near({now.learned(0)}, {g * all.number("ds", 3)}, 1e-5));
    BOOST_TEST(near({now.learned(1)}, {g * all.number("dbeta", 3)}, 1e-6));
}

BOOST_AUTO_TEST_CASE(first_values_are_those_of_the_script) {
    for (const std::string& form : forms) {
        const Golden all{form};
        for (int64_t k = 0; k < all.cases(); ++k) {
            BOOST_TEST_CONTEXT(form << ' ' << k) {
                const bool symmetric = form == "symmetric";
                Quantizer q =
                    make_quantizer(all.kind(k, symmetric ? Role::weight : Role::activation));
                observe(q, row_of(all.row("x", k)));
                const char* scale = symmetric ? "three_sigma" : "min_scale";
                BOOST_TEST(near({q.values_of("scale")[0]}, {all.number(scale, k)}, 1e-6));
                if (symmetric) continue;
                BOOST_TEST(near({q.values_of("beta")[0]}, {all.number("min_beta", k)}, 2e-5));
            }
        }
    }
}

// 3 sigma = 1.632272 of mean 1/6, in 2^3 steps.
BOOST_AUTO_TEST_CASE(first_scale_of_the_golden_weights) {
    Quantizer q = make_quantizer({"lsq+", Role::weight, format_of(4)});
    observe(q, row_of(golden_weights));
    BOOST_TEST(near({q.values_of("scale")[0]}, {.2040340}, 1e-7));
    QuantizerKind calibrated{"lsq+", Role::weight, format_of(4)};
    calibrated.calibration = Calibration::min_max;
    q = make_quantizer(calibrated);
    observe(q, row_of(golden_weights));
    BOOST_TEST(near({q.values_of("scale")[0]}, {.12}, 1e-7));
}

// Activations without a free offset: symmetric, and after ReLU with the zero point at qmin.
BOOST_AUTO_TEST_CASE(first_scale_of_activations_without_an_offset) {
    for (const auto& [format, scale, z] : {std::tuple{format_of(4), 3 / 7.5, 0},
                                           {format_of(4, false), 3 / 15., 0},
                                           {format_of(4, false, false), 3 / 15., 0},
                                           {format_of(4, true, false), 3 / 15., -8}}) {
        Quantizer q = make_quantizer({"lsq+", Role::activation, format});
        observe(q, row_of({0.0f, 1.0f, 3.0f}));
        BOOST_TEST(near({q.values_of("scale")[0]}, {scale}, 1e-6));
        BOOST_TEST(use(q, {0.0f, 1.0f}).zero_point() == z);
        BOOST_TEST(q.parameters.size() == 1u);
    }
}

// If no value is negative the range starts at zero, which is on the grid.
BOOST_AUTO_TEST_CASE(first_offset_of_a_range_that_begins_above_zero) {
    Quantizer q = make_quantizer(free_kind(Simulate::qdq));
    observe(q, row_of({1.0f, 3.0f}));
    BOOST_TEST(near({q.values_of("scale")[0], q.values_of("beta")[0]}, {.2, 0}, 1e-6));
}

// beta = -s z: dz of LSQ is -s dbeta (MQBench 2.2), and its ds includes the effect of s on beta, -z
// dbeta.
BOOST_AUTO_TEST_CASE(offset_and_zero_point_tell_the_same) {
    const std::vector<float> x{-5, -1, -.3f, 0, .3f, .7f, 1.1f, 3.4f, 3.8f, 9};
    Quantizer plus = make_quantizer(free_kind(Simulate::exact));
    set_parameter(plus, "scale", {0.5f});
    set_parameter(plus, "beta", {-1.5f});
    Quantizer lsq = make_quantizer({"lsq", Role::activation, format_of(4, false, false), true});
    set_parameter(lsq, "scale", {0.5f});
    set_parameter(lsq, "zero_point", {3.0f});
    const Use a = use(plus, x), b = use(lsq, x);
    BOOST_TEST(same_bits(a.values, b.values));
    BOOST_TEST(same_bits(a.grads.dx, b.grads.dx));
    BOOST_TEST(near({b.learned(0)}, {a.learned(0) - 3 * a.learned(1)}, 1e-6));
    BOOST_TEST(near({b.learned(1)}, {-0.5 * a.learned(1)}, 1e-6));
}

// The mask is on the code before rounding: half a step narrower than LSQ's.
BOOST_AUTO_TEST_CASE(the_mask_is_not_rounded) {
    Quantizer q = make_quantizer({"lsq+", Role::weight, format_of(4)});
    set_parameter(q, "scale", {1.0f});
    BOOST_TEST(near(use(q, {-8.4f, -8.0f, 7.0f, 7.1f, 7.4f}).dx(), {0, 1, 1, 0, 0}, 0));
}

// An integer zero point stays among the codes; the real offset is unrestricted.
BOOST_AUTO_TEST_CASE(projection) {
    for (const auto& [simulate, kept] :
         {std::pair{Simulate::exact, -7.5f}, {Simulate::qdq, -9.0f}}) {
        Quantizer q = make_quantizer(free_kind(simulate));
        set_parameter(q, "scale", {-0.5f});
        set_parameter(q, "beta", {-9.0f});
        const Use now = use(q, {0.0f});
        BOOST_TEST(q.values_of("scale")[0] == 0.5f);
        BOOST_TEST(q.values_of("beta")[0] == kept);
        BOOST_TEST(now.zero_point() == 15);
        set_parameter(q, "beta", {9.0f});
        BOOST_TEST(use(q, {0.0f}).zero_point() == 0);
        BOOST_TEST(q.values_of("beta")[0] == (simulate == Simulate::exact ? 0.0f : 9.0f));
    }
}

// NaN gets the lowest code, as everywhere (quant/numerics.h).
BOOST_AUTO_TEST_CASE(what_is_no_number) {
    for (const Simulate simulate : {Simulate::exact, Simulate::qdq}) {
        Quantizer q = make_quantizer(free_kind(simulate, format_of(4, true, false)));
        const Use now = use(q, {std::nanf(""), INFINITY, -INFINITY});
        BOOST_TEST(now.codes == (std::vector<int32_t>{-8, 7, -8}),
                   boost::test_tools::per_element());
    }
}

BOOST_AUTO_TEST_SUITE_END()
