// The promises of every algorithm in every format: either it is refused with a reason, or the
// output lies on its grid, the forward pass equals the dequantized codes bit for bit, and the
// gradient is that of its surrogate (tests/surrogates.h) with the residual of rounding frozen.
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "tests/files.h"
#include "tests/quantizers.h"
#include "tests/surrogates.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(quantizer_promises, *boost::unit_test::label("unit"))

namespace {

const Shape shape{2, 3, 4};

std::string describe(const QuantizerKind& k) {
    return join(k.algorithm, k.role == Role::weight ? " weight " : " activation ",
                gradus::describe(k.format), " axis ", k.format.channel_axis,
                k.format.power_of_two ? " pot" : "", k.free_zero_point ? " free" : "",
                k.simulate == Simulate::exact ? " exact" : " qdq",
                k.dsq_form == DsqForm::ste ? " ste" : "", k.follows_range ? " following" : "");
}

// Signed, narrow and unsigned; symmetric, with a free zero point, with one at qmin.
std::vector<QuantizerKind> signs_and_zeros(const QuantizerKind& base) {
    std::vector<QuantizerKind> kinds;
    for (const int sign : {0, 1, 2}) {
        for (const int zero : {0, 1, 2}) {
            kinds.push_back(base);
            kinds.back().format.is_signed = sign != 2;
            kinds.back().format.narrow = sign == 1;
            kinds.back().format.symmetric = zero == 0;
            kinds.back().free_zero_point = zero == 1;
        }
    }
    return kinds;
}

// Options that only single rows have.
std::vector<QuantizerKind> variants(const std::string& algorithm) {
    QuantizerKind base;
    base.algorithm = algorithm;
    std::vector<QuantizerKind> kinds{base, base};
    if (algorithm == "dsq") kinds[1].dsq_form = DsqForm::ste;
    if (algorithm == "minmax") kinds[1].follows_range = true;
    if (algorithm != "dsq" && algorithm != "minmax") kinds.pop_back();
    return kinds;
}

std::vector<QuantizerKind> all_kinds(const std::string& algorithm) {
    std::vector<QuantizerKind> all;
    for (QuantizerKind kind : variants(algorithm)) {
        for (const Role role : {Role::weight, Role::activation}) {
            for (const Simulate simulate : {Simulate::exact, Simulate::qdq}) {
                for (int bits = 2; bits <= 8; ++bits) {
                    for (const int axis : {-1, 0, 1, 2}) {
                        for (const bool power_of_two : {false, true}) {
                            kind.role = role;
                            kind.simulate = simulate;
                            kind.format = format_of(bits, true, true, axis);
                            kind.format.power_of_two = power_of_two;
                            for (const QuantizerKind& k : signs_and_zeros(kind)) all.push_back(k);
                        }
                    }
                }
            }
        }
    }
    return all;
}

// ---- refusals, and a word of each reason

struct Refusal {
    std::set<std::string> algorithms;
    const char* reason;
    bool (*applies)(const QuantizerKind& k);
};

// Signed APoT has the levels of one bit fewer (MQBench 2.7, pitfall P19).
bool without_levels(const QuantizerKind& k) {
    const int bits = k.format.is_signed ? k.format.bits - 1 : k.format.bits;
    return bits < 2 || bits > 6;
}

const std::vector<Refusal> refusals{
    {{"pact"}, "it clips activations", [](auto& k) { return k.role == Role::weight; }},
    {{"pact", "qil"}, "not per channel", [](auto& k) { return k.format.per_channel(); }},
    {{"dorefa"},
     "not per channel",
     [](auto& k) { return k.role == Role::activation && k.format.per_channel(); }},
    {{"qil", "apot", "tqt"}, "no zero point", [](auto& k) { return !k.format.symmetric; }},
    {{"qil", "apot"}, "power of two", [](auto& k) { return k.format.power_of_two; }},
    {{"apot"}, "sets of levels", without_levels},
    {{"qil", "apot"}, "not deployable", [](auto& k) { return k.simulate == Simulate::exact; }}};

// The accepted reasons, of which one must be given; empty if it is not refused.
std::vector<std::string> reasons(const QuantizerKind& k) {
    std::vector<std::string> found;
    for (const Refusal& refusal : refusals) {
        if (refusal.algorithms.count(k.algorithm) && refusal.applies(k)) {
            found.push_back(refusal.reason);
        }
    }
    return found;
}

int64_t channels_of(const QuantizerKind& k) {
    return channel_count(k.format, shape);
}

// True if it is refused properly: in one line with name, fact and reason.
bool refused(const QuantizerKind& k) {
    const std::vector<std::string> expected = reasons(k);
    std::string text;
    try {
        make_quantizer(k, channels_of(k));
    } catch (const Error& error) {
        BOOST_TEST((error.kind() == ErrorKind::usage));
        text = error.what();
    }
    const bool given = std::any_of(expected.begin(), expected.end(), [&](const auto& reason) {
        return text.find(reason) != std::string::npos;
    });
    BOOST_TEST(text.empty() == expected.empty(), text);
    BOOST_TEST((text.empty() || given), text);
    BOOST_TEST((text.empty() || text.find(k.algorithm) == 0), text);
    return !text.empty();
}

// ---- a quantizer and its input

bool is(const Quantizer& q, const char* algorithm) {
    return q.algorithm->name == std::string(algorithm);
}

// Both signs if the format has them; a few values below zero if it does not.
Tensor input_of(const QuantizerKind& k, uint64_t seed) {
    const bool both = k.format.symmetric ? k.format.is_signed : k.free_zero_point;
    return random_tensor(shape, seed, both ? -0.9f : -0.2f, 1.1f);
}

// Gives each channel another value, none a power of two, a tie or the whole range.
void disturb(Quantizer& q) {
    const std::map<std::string, float> factors{{"scale", 0.57f},  {"alpha", 0.6f / 6.0f},
                                               {"center", 0.83f}, {"width", 0.71f},
                                               {"beta", 0.77f},   {"negative_alpha", 0.07f}};
    const std::map<std::string, float> shifts{{"log2_threshold", -0.63f}, {"zero_point", 0.29f}};
    for (const auto& parameter : q.parameters) {
        if (!parameter->trainable) continue;
        const std::string suffix = parameter->name.substr(q.name.size() + 1);
        const bool shifted = shifts.count(suffix) > 0;
        for (int64_t c = 0; c < parameter->value.numel(); ++c) {
            float& v = parameter->value.data<float>()[c];
            const float more = 0.031f * static_cast<float>(c);
            v = shifted ? v + shifts.at(suffix) + more : v * (factors.at(suffix) + more);
        }
    }
    // APoT's normalised weights have a standard deviation of one.
    if (is(q, "apot") && q.role == Role::weight) {
        set_parameter(q, "alpha", std::vector<float>(q.parameters[0]->value.numel(), 1.3f));
    }
}

Quantizer prepared(const QuantizerKind& k) {
    Quantizer q = make_quantizer(k, channels_of(k));
    observe(q, input_of(k, 1));
    disturb(q);
    return q;
}

std::vector<double> doubles(const Tensor& t) {
    return std::vector<double>(t.data<float>(), t.data<float>() + t.numel());
}

Point point_of(const Quantizer& q, const Tensor& x) {
    Point p{doubles(x), {}};
    for (const auto& parameter : q.parameters) {
        if (parameter->trainable) p.learned.push_back(doubles(parameter->value));
    }
    return p;
}

// ---- the promises

// APoT's codes are multiples of the unit of its levels: few of them, far apart.
void check_levels(const Quantizer& q, const Use& use) {
    const int bits = q.format.is_signed ? q.format.bits - 1 : q.format.bits;
    std::set<int32_t> levels;
    for (const double level : apot_level_table(bits)) {
        levels.insert(static_cast<int32_t>(std::lround(level * use.grid.bounds->hi)));
    }
    BOOST_REQUIRE(levels.size() == size_t{1} << bits);
    for (const int32_t code : use.codes) BOOST_REQUIRE(levels.count(std::abs(code)) == 1);
}

void check_grid(const Quantizer& q, const Use& use) {
    const CodeBounds bounds = bounds_of(use.grid, q.format);
    if (is(q, "apot")) {
        check_levels(q, use);
    } else {
        BOOST_REQUIRE(bounds.lo >= q.format.qmin());
        BOOST_REQUIRE(bounds.hi <= q.format.qmax());
    }
    for (const int32_t code : use.codes) {
        BOOST_REQUIRE(code >= bounds.lo);
        BOOST_REQUIRE(code <= bounds.hi);
    }
    for (int64_t c = 0; c < use.grid.scale.numel(); ++c) {
        const int32_t z = use.grid.zero_point.data<int32_t>()[c];
        BOOST_REQUIRE(use.grid.scale.data<float>()[c] > 0.0f);
        BOOST_REQUIRE(z >= std::min(0, q.format.qmin()));
        BOOST_REQUIRE(z <= q.format.qmax());
        BOOST_REQUIRE((!q.format.symmetric || z == 0));
    }
}

// s (q - z), or s q + beta if the offset is real.
void check_values(const Quantizer& q, const Use& use, const ChannelLayout& layout) {
    const bool real = is(q, "lsq+") && q.free_zero_point && q.simulate == Simulate::qdq;
    for (int64_t i = 0; i < layout.numel(); ++i) {
        const int64_t c = i / layout.inner % layout.channels;
        const float s = use.grid.scale.data<float>()[c];
        const int32_t z = use.grid.zero_point.data<int32_t>()[c];
        const float product = s * static_cast<float>(real ? use.codes[i] : use.codes[i] - z);
        const float want = real ? product + q.values_of("beta")[c] : product;
        BOOST_REQUIRE_EQUAL(use.values.data<float>()[i], want);
    }
}

struct Numeric {
    const Surrogate& surrogate;
    const Tensor& dy;
    double sum(const Point& p) const {
        double total = 0.0;
        const std::vector<double> values = surrogate.values(p);
        for (size_t i = 0; i < values.size(); ++i) total += values[i] * dy.data<float>()[i];
        return total;
    }
    // The slope along the coordinate that `at` refers to within `p`.
    double slope(Point& p, double& at) const {
        const double h = 1e-5 * std::max(1.0, std::fabs(at)), before = at;
        at = before + h;
        const double up = sum(p);
        at = before - h;
        const double down = sum(p);
        at = before;
        return (up - down) / (2.0 * h);
    }
};

struct Reached {
    int64_t kinds = 0, inside = 0, outside = 0, left_out = 0, learned = 0;
};

// Kernels sum in float: a few ulp of the largest term, which is a code times dy.
double bound(double want, double terms) {
    return 2e-5 * std::max(1.0, std::fabs(want)) + 4e-7 * terms;
}

void check_gradient(const Quantizer& q, const Use& use, const Numeric& numeric, Point p,
                    double gradient_scale, Reached& reached) {
    for (size_t i = 0; i < p.x.size(); ++i) {
        const double want = numeric.slope(p, p.x[i]), got = use.grads.dx.data<float>()[i];
        BOOST_REQUIRE_SMALL(got - want, bound(want, 0.0));
        if (numeric.surrogate.sure[i]) (want != 0.0 ? reached.inside : reached.outside) += 1;
    }
    const double terms = std::ldexp(static_cast<double>(p.x.size()), q.format.bits);
    BOOST_REQUIRE(use.grads.parameters.size() == p.learned.size());
    for (size_t k = 0; k < p.learned.size(); ++k) {
        for (size_t c = 0; c < p.learned[k].size(); ++c) {
            const double want = gradient_scale * numeric.slope(p, p.learned[k][c]);
            const double got = use.grads.parameters[k].data<float>()[c];
            BOOST_REQUIRE_SMALL(got - want, bound(want, gradient_scale * terms));
            reached.learned += want != 0.0;
        }
    }
}

// g of MQBench 2.1, 2.2 and 2.6; 1 elsewhere.
double own_gradient_scale(const Quantizer& q, const ChannelLayout& layout) {
    const std::set<std::string> scaled{"lsq", "lsq+", "qil"};
    if (!scaled.count(q.algorithm->name)) return 1.0;
    return 1.0 / std::sqrt(static_cast<double>(layout.per_channel()) * q.format.qmax());
}

void check_surrogate(Quantizer& q, const Tensor& x, Tensor dy, Reached& reached) {
    const ChannelLayout layout = channel_layout(shape, q.format.channel_axis);
    const Use first = use(q, x, dy, false);  // ranges are already updated
    const Point p = point_of(q, x);
    const Surrogate surrogate = surrogates().at(q.algorithm->name)({q, first.grid, layout, p});
    const std::vector<double> scales = doubles(first.grid.scale), values = surrogate.values(p);
    for (size_t c = 0; c < surrogate.scales.size(); ++c) {
        BOOST_REQUIRE_CLOSE(scales[c], surrogate.scales[c], 1e-3);
    }
    for (size_t i = 0; i < values.size(); ++i) {
        if (surrogate.sure[i]) {
            BOOST_REQUIRE_SMALL(first.values.data<float>()[i] - values[i], 2e-5);
        } else {
            dy.data<float>()[i] = 0.0f;
            ++reached.left_out;
        }
    }
    const Numeric numeric{surrogate, dy};
    q.gradient_scale.reset();
    check_gradient(q, use(q, x, dy, false), numeric, p, own_gradient_scale(q, layout), reached);
    q.gradient_scale = 0.5f;  // for all learned parameters
    check_gradient(q, use(q, x, dy, false), numeric, p, 0.5, reached);
    q.gradient_scale.reset();
}

// ---- per channel, and a loop over the channels

Tensor channel_of(const Tensor& x, const ChannelLayout& layout, int64_t c) {
    std::vector<float> values;
    for (int64_t i = 0; i < x.numel(); ++i) {
        if (i / layout.inner % layout.channels == c) values.push_back(x.data<float>()[i]);
    }
    return row_of(values);
}

// The quantizer of one channel alone, with that channel's parameters. DoReFa's largest tanh is
// taken over all channels: the test takes its w_bar as given.
Quantizer channel_quantizer(const Quantizer& whole, QuantizerKind k, int64_t c) {
    const bool dorefa = k.algorithm == "dorefa";
    k.format.channel_axis = -1;
    k.follows_range = k.follows_range || dorefa;
    if (dorefa) k.algorithm = "minmax";
    Quantizer one = make_quantizer(k);
    for (size_t i = 0; i < one.parameters.size(); ++i) {
        one.parameters[i]->value.data<float>()[0] = whole.parameters[i]->value.data<float>()[c];
    }
    return one;
}

Tensor through_tanh(const Tensor& w) {
    Tensor t = w.clone();
    float most = 0.0f;
    for (int64_t i = 0; i < t.numel(); ++i) {
        t.data<float>()[i] = std::tanh(t.data<float>()[i]);
        most = std::max(most, std::fabs(t.data<float>()[i]));
    }
    for (int64_t i = 0; i < t.numel(); ++i) t.data<float>()[i] /= most + 1e-5f;
    return t;
}

void check_channel(const Quantizer& q, const QuantizerKind& k, const Use& all, const Tensor& x,
                   const Tensor& dy, int64_t c) {
    const ChannelLayout layout = channel_layout(shape, k.format.channel_axis);
    const bool squashed = k.algorithm == "dorefa";
    Quantizer one = channel_quantizer(q, k, c);
    const Tensor mine = channel_of(squashed ? through_tanh(x) : x, layout, c);
    const Use alone = use(one, mine, channel_of(dy, layout, c), false);
    BOOST_REQUIRE_EQUAL(alone.scale(), all.grid.scale.data<float>()[c]);
    BOOST_REQUIRE_EQUAL(alone.zero_point(), all.grid.zero_point.data<int32_t>()[c]);
    BOOST_REQUIRE(same_bits(alone.values, channel_of(all.values, layout, c)));
    if (squashed) return;
    BOOST_REQUIRE(close(alone.grads.dx, channel_of(all.grads.dx, layout, c), 1e-6));
    for (size_t i = 0; i < alone.grads.parameters.size(); ++i) {
        const double want = all.grads.parameters[i].data<float>()[c];
        const double terms = std::ldexp(double(mine.numel()), k.format.bits);
        BOOST_REQUIRE_SMALL(alone.learned(static_cast<int>(i)) - want, bound(want, terms));
    }
}

// ---- powers of two

bool is_power_of_two(float s) {
    int exponent = 0;
    return std::frexp(s, &exponent) == 0.5f;
}

bool all_powers_of_two(const Tensor& scale) {
    return std::all_of(scale.data<float>(), scale.data<float>() + scale.numel(), is_power_of_two);
}

// Takes steps of plain gradient descent on random numbers. True if every grid on the way has powers
// of two; `left` counts learned scales that are not powers of two at the end.
bool stays_on_powers_of_two(Quantizer& q, const QuantizerKind& k, int64_t& left) {
    bool good = all_powers_of_two(q.grid().scale);
    for (int step = 0; step < 20; ++step) {
        const Use now = use(q, input_of(k, 100 + step), random_tensor(shape, 200 + step));
        good = good && all_powers_of_two(now.grid.scale);
        for (size_t i = 0; i < now.grads.parameters.size(); ++i) {
            const Tensor& d = now.grads.parameters[i];
            for (int64_t c = 0; c < d.numel(); ++c) {
                q.parameters[i]->value.data<float>()[c] -= 0.05f * d.data<float>()[c];
            }
        }
    }
    const bool learned = !q.parameters.empty() && q.parameters[0]->trainable;
    left += learned && !all_powers_of_two(q.parameters[0]->value);
    return good && all_powers_of_two(q.grid().scale);
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_row_has_a_surrogate) {
    std::set<std::string> rows, known;
    for (const Algorithm& row : algorithms()) rows.insert(row.name);
    for (const auto& [name, surrogate] : surrogates()) known.insert(name);
    BOOST_TEST(rows == known, boost::test_tools::per_element());
    BOOST_TEST(rows.size() == algorithms().size());
}

BOOST_AUTO_TEST_CASE(every_format_is_refused_or_keeps_the_promises) {
    for (const Algorithm& row : algorithms()) {
        Reached reached;
        for (const QuantizerKind& k : all_kinds(row.name)) {
            BOOST_TEST_CONTEXT(describe(k)) {
                if (refused(k)) continue;
                Quantizer q = prepared(k);
                const Tensor x = input_of(k, 1 + reached.kinds % 5);
                const Tensor dy = random_tensor(shape, 77, -1.0f, 1.5f);
                const Use now = use(q, x, dy);
                check_grid(q, now);
                check_values(q, now, channel_layout(shape, k.format.channel_axis));
                check_surrogate(q, x, dy, reached);
                ++reached.kinds;
            }
        }
        BOOST_TEST_MESSAGE(row.name << ": " << reached.kinds << " kinds, " << reached.inside
                                    << " elements inside, " << reached.outside << " outside, "
                                    << reached.left_out << " left out, " << reached.learned
                                    << " learned");
        BOOST_TEST(reached.kinds > 20, row.name);
        BOOST_TEST(reached.inside > 200, row.name);
        BOOST_TEST(reached.outside > 200, row.name);
        const std::set<std::string> learning{"lsq", "lsq+", "pact", "qil", "apot", "tqt"};
        BOOST_TEST((reached.learned > 40) == (learning.count(row.name) > 0), row.name);
        BOOST_TEST(20 * reached.left_out < reached.inside, row.name);
    }
}

BOOST_AUTO_TEST_CASE(per_channel_is_a_loop_over_channels) {
    for (const Algorithm& row : algorithms()) {
        int64_t kinds = 0;
        for (const QuantizerKind& k : all_kinds(row.name)) {
            const bool chosen = k.format.per_channel() && k.format.bits % 2 == 0;
            if (!chosen || !reasons(k).empty()) continue;
            BOOST_TEST_CONTEXT(describe(k)) {
                Quantizer q = prepared(k);
                const Tensor x = input_of(k, 3), dy = random_tensor(shape, 5, -1.0f, 1.5f);
                const Use all = use(q, x, dy);
                BOOST_REQUIRE(all.grid.scale.numel() == channels_of(k));
                for (int64_t c = 0; c < channels_of(k); ++c) check_channel(q, k, all, x, dy, c);
                ++kinds;
            }
        }
        const bool one_scale = row.name == std::string("pact") || row.name == std::string("qil");
        BOOST_TEST((kinds > 40) == !one_scale, row.name << ' ' << kinds);
    }
}

BOOST_AUTO_TEST_CASE(powers_of_two_stay_powers_of_two) {
    for (const Algorithm& row : algorithms()) {
        int64_t kinds = 0, left = 0;
        for (const QuantizerKind& k : all_kinds(row.name)) {
            const bool chosen = k.format.power_of_two || row.name == std::string("tqt");
            if (!chosen || k.format.bits % 2 != 0 || !reasons(k).empty()) continue;
            Quantizer q = make_quantizer(k, channels_of(k));
            observe(q, input_of(k, 1));
            BOOST_TEST(stays_on_powers_of_two(q, k, left), describe(k));
            ++kinds;
        }
        const std::set<std::string> never{"qil", "apot"}, learning{"lsq", "lsq+", "pact", "tqt"};
        BOOST_TEST((kinds > 0) == !never.count(row.name), row.name);
        BOOST_TEST(left == (learning.count(row.name) ? kinds : 0), row.name);
    }
}

// An unsigned range has no lowest code to leave out; the bits end at 2 and 8.
BOOST_AUTO_TEST_CASE(formats_that_do_not_exist) {
    QuantFormat narrow = format_of(4, false);
    narrow.narrow = true;
    for (const Algorithm& row : algorithms()) {
        const QuantizerKind kind{row.name, Role::activation};
        for (const QuantFormat& format : {narrow, format_of(1), format_of(9)}) {
            QuantizerKind wrong = kind;
            wrong.format = format;
            BOOST_CHECK_THROW(make_quantizer(wrong), Error);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
