#include "integer/ties.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "integer/accumulators.h"
#include "integer/execute.h"
#include "integer/rule_constants.h"
#include "nn/node_attributes.h"
#include "tensor/affine.h"
#include "tensor/kernels/average_pool.h"
#include "tensor/rng.h"

namespace gradus {

namespace {

constexpr int64_t kMostElements = 1 << 16;  // of a layer, so that bundles stay small

bool averages(const Instruction& i) {
    return i.op == "average_pool2d" || i.op == "global_average_pool";
}

// Averages whose floats depend on the codes one by one, not on their sum alone.
bool reads_windows(const Instruction& i) {
    return averages(i) && rule_of<PoolRule>(i) == PoolRule::float_sum;
}

int32_t attribute(const Instruction& i, const char* name) {
    return static_cast<int32_t>(i.attributes.integer(name));
}

// Every integer from lo to hi, as codes of a format.
Tensor codes_from(int32_t lo, int32_t hi, DType dtype) {
    Tensor codes = Tensor::empty({hi - lo + 1}, dtype);
    auto* bytes = static_cast<uint8_t*>(codes.raw());
    for (int32_t q = lo; q <= hi; ++q) bytes[q - lo] = static_cast<uint8_t>(q);
    return codes;
}

// The steps of codes to locate in a layer: row j of channel c locates the one above code(j, c).
struct Steps {
    int64_t count;  // from one code to the next, of the clamp
    int64_t stride;
    int32_t lo;

    Steps(const Instruction& i, int64_t channels)
        : count(attribute(i, "hi") - attribute(i, "lo")), lo(attribute(i, "lo")) {
        stride = std::max<int64_t>(1, 2 * count * channels / kMostElements);
    }
    int64_t rows() const { return (count + stride - 1) / stride; }
    int32_t code(int64_t j, int64_t c) const {
        return lo + static_cast<int32_t>(std::min(j * stride + c % stride, count - 1));
    }
};

int32_t code_at(const Tensor& codes, int64_t e) {
    return CodeReader(codes)[e];
}

// For each range the least integer whose code is above the element's; the largest if there is none.
// `code_of` must be non-decreasing in every element.
template <class CodeOf>
Tensor first_above(Tensor least, Tensor largest, const Tensor& codes, const CodeOf& code_of) {
    int32_t* lo = least.data<int32_t>();
    int32_t* hi = largest.data<int32_t>();
    Tensor middle = Tensor::empty(least.shape(), DType::I32);
    for (int step = 0; step < 32; ++step) {
        for (int64_t e = 0; e < middle.numel(); ++e) {
            middle.data<int32_t>()[e] = static_cast<int32_t>((int64_t{lo[e]} + hi[e]) >> 1);
        }
        const Tensor found = code_of(middle);
        for (int64_t e = 0; e < middle.numel(); ++e) {
            const int32_t at = middle.data<int32_t>()[e];
            if (lo[e] == hi[e]) continue;
            const bool above = code_at(found, e) > codes.data<int32_t>()[e];
            (above ? hi[e] : lo[e]) = above ? at : at + 1;
        }
    }
    return least;
}

// ---- convolution and linear ------------------------------------------------------------------

// [rows, channels], element by element.
template <class F>
Tensor filled(int64_t rows, int64_t channels, const F& value) {
    Tensor t = Tensor::empty({rows, channels}, DType::I32);
    for (int64_t r = 0; r < rows; ++r) {
        for (int64_t c = 0; c < channels; ++c) t.data<int32_t>()[r * channels + c] = value(r, c);
    }
    return t;
}

// Shortcut codes in an order unrelated to the steps. The two rows of a step share one.
Tensor shortcuts(int64_t rows, int64_t channels, const RegisterGrid& grid) {
    Tensor codes = Tensor::empty({rows, channels}, grid.format.code_dtype());
    auto* bytes = static_cast<uint8_t*>(codes.raw());
    const int64_t count = grid.bounds.hi - grid.bounds.lo + 1;
    for (int64_t e = 0; e < codes.numel(); ++e) {
        const int64_t step = e / channels / 2, c = e % channels;
        bytes[e] = static_cast<uint8_t>(grid.bounds.lo + (37 * step + 11 * c) % count);
    }
    return codes;
}

// Takes the first of each pair of rows.
Tensor every_second_row(const Tensor& t) {
    if (!t.defined()) return t;
    const int64_t rows = t.shape()[0] / 2, width = t.shape()[1];
    Tensor half = Tensor::empty({rows, width}, t.dtype());
    const auto* from = static_cast<const uint8_t*>(t.raw());
    auto* to = static_cast<uint8_t*>(half.raw());
    const int64_t bytes = width * dtype_bytes(t.dtype());
    for (int64_t r = 0; r < rows; ++r) std::copy_n(from + 2 * r * bytes, bytes, to + r * bytes);
    return half;
}

Ties code_ties(const Instruction& i, const std::vector<AccumulatorRange>& reach,
               const std::optional<RegisterGrid>& shortcut) {
    const auto channels = static_cast<int64_t>(reach.size());
    const Steps steps(i, channels);
    const int64_t rows = 2 * steps.rows() + 4;  // two for the ends, and two of 0
    const Tensor other = shortcut ? shortcuts(rows, channels, *shortcut) : Tensor();
    const Tensor half = every_second_row(other);
    const auto lo = [&](int64_t, int64_t c) { return reach[c].lo; };
    const auto hi = [&](int64_t, int64_t c) { return reach[c].hi; };
    const auto code = [&](int64_t j, int64_t c) { return steps.code(j, c); };
    const Tensor first = first_above(filled(rows / 2, channels, lo), filled(rows / 2, channels, hi),
                                     filled(rows / 2, channels, code), [&](const Tensor& acc) {
                                         return execute_from_accumulators(i, acc, half);
                                     });
    const Tensor acc = filled(rows, channels, [&](int64_t r, int64_t c) {
        if (r >= rows - 2) return std::clamp(0, reach[c].lo, reach[c].hi);
        if (r >= rows - 4) return r == rows - 4 ? reach[c].lo : reach[c].hi;
        const int32_t above = first.data<int32_t>()[r / 2 * channels + c];
        return r % 2 == 1 ? above : std::max(reach[c].lo, above - 1);
    });
    Ties ties{{{"accumulator", acc}}, {}};
    if (shortcut) ties.given["shortcut"] = other;
    return ties;
}

// A float output has no steps to locate; tests accumulators that no float holds instead.
Ties real_ties(const std::vector<AccumulatorRange>& reach) {
    const std::vector<int32_t> wanted{INT32_MIN,     INT32_MAX,     0, 1, -1, 1 << 24, -(1 << 24),
                                      (1 << 24) + 1, -(1 << 24) - 1};
    return {{{"accumulator",
              filled(static_cast<int64_t>(wanted.size()), static_cast<int64_t>(reach.size()),
                     [&](int64_t r, int64_t c) {
                         return std::clamp(wanted[r], reach[c].lo, reach[c].hi);
                     })}},
            {}};
}

Ties requantize_ties(const Instruction& i, const RegisterGrid& x) {
    const int32_t z = attribute(i, "input_zero_point");
    return {{{"accumulator", filled(x.bounds.hi - x.bounds.lo + 1, 1,
                                    [&](int64_t r, int64_t) {
                                        return x.bounds.lo + static_cast<int32_t>(r) - z;
                                    })}},
            {}};
}

// ---- the others ------------------------------------------------------------------------------

Ties add_ties(const std::vector<std::optional<RegisterGrid>>& inputs) {
    Ties ties;
    for (const size_t k : {0, 1}) {
        const QuantFormat& format = inputs.at(k)->format;
        ties.given[k == 0 ? "input" : "input_2"] =
            codes_from(format.qmin(), format.qmax(), format.code_dtype());
    }
    return ties;
}

std::set<int32_t> counts_of(const Instruction& i, const Shape& x) {
    if (i.op == "global_average_pool") return {static_cast<int32_t>(x[1] * x[2])};
    const auto all = average_pool_counts(pool_shape(i.name.c_str(), x, pool_attrs(i.attributes)));
    return {all.begin(), all.end()};
}

// Sums around every step, located by bisection as in convolutions.
std::vector<int32_t> sums_at_steps(const Instruction& i, int32_t count, const QuantFormat& format) {
    const Steps steps(i, 1);
    const int64_t rows = steps.rows();
    const auto constant = [&](int32_t value) {
        return filled(rows, 1, [=](int64_t, int64_t) { return value; });
    };
    const Tensor first = first_above(
        constant(count * format.qmin()), constant(count * format.qmax()),
        filled(rows, 1, [&](int64_t j, int64_t c) { return steps.code(j, c); }),
        [&](const Tensor& sum) { return execute_from_accumulators(i, sum, constant(count)); });
    std::vector<int32_t> sums;
    for (const int32_t sum : first.to_vector<int32_t>()) {
        sums.insert(sums.end(), {std::max(sum - 1, count * format.qmin()), sum});
    }
    sums.insert(sums.end(), {count * format.qmin(), count * format.qmax(), 0});
    return sums;
}

// Images of one channel. In each the codes lie within eight of each other, so that all averages
// come and a share 1 / n of the windows of n codes are ties.
Ties window_ties(const QuantFormat& format, const Shape& x) {
    const int64_t pixels = x[1] * x[2];
    const int64_t count = std::clamp<int64_t>(kMostElements / pixels, 2, 2048);
    Tensor codes = Tensor::empty({count, x[1], x[2], 1}, format.code_dtype());
    auto* bytes = static_cast<uint8_t*>(codes.raw());
    const Rng rng = Rng(1).split("ties");
    const int32_t range = format.qmax() - format.qmin() + 1;
    for (int64_t e = 0; e < codes.numel(); ++e) {
        const auto base = static_cast<int32_t>(e / pixels % range) + format.qmin();
        const auto above = static_cast<int32_t>(rng.below(e, 8));
        bytes[e] = static_cast<uint8_t>(std::min(base + above, format.qmax()));
    }
    return {{{"input", codes}}, {}};
}

Ties average_ties(const Instruction& i, const QuantFormat& format, const Shape& x) {
    const std::set<int32_t> counts = counts_of(i, x);
    int64_t all = 0;
    for (const int32_t n : counts) all += int64_t{n} * (format.qmax() - format.qmin()) + 1;
    std::vector<int32_t> sums, sizes;
    for (const int32_t n : counts) {
        std::vector<int32_t> chosen;
        if (all > kMostElements) {
            chosen = sums_at_steps(i, n, format);
        } else {
            for (int32_t s = n * format.qmin(); s <= n * format.qmax(); ++s) chosen.push_back(s);
        }
        sums.insert(sums.end(), chosen.begin(), chosen.end());
        sizes.resize(sums.size(), n);
    }
    const Shape shape{static_cast<int64_t>(sums.size())};
    return {{{"sum", Tensor::from(sums, shape)}, {"count", Tensor::from(sizes, shape)}}, {}};
}

// x / s is rounded to float before it is rounded to a code, so several floats may be the tie.
Ties quantize_ties(const Instruction& i) {
    const float s = i.constants.at("scale").data<float>()[0];
    const int32_t z = attribute(i, "zero_point");
    std::vector<float> reals{-INFINITY, -3e38f, 3e38f, INFINITY, 0.0f, -0.0f};
    for (int32_t q = attribute(i, "lo"); q < attribute(i, "hi"); ++q) {
        const float tie = s * (static_cast<float>(q - z) + 0.5f);
        const float below = std::nextafter(tie, -INFINITY), above = std::nextafter(tie, INFINITY);
        reals.insert(reals.end(), {std::nextafter(below, -INFINITY), below, tie, above,
                                   std::nextafter(above, INFINITY)});
    }
    return {{{"input", Tensor::from(reals, {static_cast<int64_t>(reals.size())})}}, {}};
}

// Sums of all pairs, a in rows.
Tensor sums_of_pairs(const Instruction& i, const Tensor& a, const Tensor& b) {
    const int64_t rows = a.numel(), columns = b.numel();
    Tensor left = Tensor::empty({rows, columns}, a.dtype());
    Tensor right = Tensor::empty({rows, columns}, b.dtype());
    auto* l = static_cast<uint8_t*>(left.raw());
    auto* r = static_cast<uint8_t*>(right.raw());
    for (int64_t e = 0; e < rows * columns; ++e) {
        l[e] = static_cast<const uint8_t*>(a.raw())[e / columns];
        r[e] = static_cast<const uint8_t*>(b.raw())[e % columns];
    }
    return execute(i, {left, right}, IntegerKernel::readable);
}

Ties given_ties(const Instruction& i, const std::vector<std::optional<RegisterGrid>>& inputs,
                const Shape& x) {
    if (!rounds(i)) return {};
    if (i.op == "quantize") return quantize_ties(i);
    if (i.op == "add") return add_ties(inputs);
    if (i.op == "requantize") return requantize_ties(i, inputs.at(0).value());
    if (reads_windows(i)) return window_ties(inputs.at(0)->format, x);
    if (averages(i)) return average_ties(i, inputs.at(0)->format, x);
    const auto reach = accumulator_ranges(i, inputs.at(0).value().bounds);
    if (i.constants.count("scale")) return real_ties(reach);
    return code_ties(i, reach, inputs.size() > 1 ? inputs[1] : std::nullopt);
}

}  // namespace

bool rounds(const Instruction& i) {
    const std::set<std::string> passing{"max_pool2d", "flatten", "concat"};
    return !i.is_float && !passing.count(i.op);
}

Ties make_ties(const Instruction& i, const std::vector<std::optional<RegisterGrid>>& inputs,
               const Shape& x) {
    Ties ties = given_ties(i, inputs, x);
    if (!ties.given.empty()) ties.output = replay_ties(i, ties.given);
    return ties;
}

Tensor replay_ties(const Instruction& i, const std::map<std::string, Tensor>& given) {
    if (i.op == "quantize" || (averages(i) && given.count("input"))) {
        return execute(i, {given.at("input")}, IntegerKernel::readable);
    }
    if (i.op == "add") return sums_of_pairs(i, given.at("input"), given.at("input_2"));
    if (averages(i)) return execute_from_accumulators(i, given.at("sum"), given.at("count"));
    return execute_from_accumulators(i, given.at("accumulator"),
                                     i.inputs.size() > 1 ? given.at("shortcut") : Tensor());
}

}  // namespace gradus
