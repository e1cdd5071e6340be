#include "quant/requantize_exact.h"

#include <algorithm>

#include "quant/numerics.h"
#include "quant/window_averages.h"
#include "tensor/parallel.h"

namespace gradus {

namespace {

int32_t zero_of(const Affine& value) {
    return value.zero_point.data<int32_t>()[0];
}
float scale_of(const Affine& value) {
    return value.scale.data<float>()[0];
}

// f(i) gives the code of element i; Code is int8_t or uint8_t.
template <class F>
Tensor codes_of(const Shape& shape, const QuantFormat& format, const F& f) {
    Tensor codes = Tensor::empty(shape, format.code_dtype());
    if (format.is_signed) {
        int8_t* q = codes.data<int8_t>();
        for_each_cpu(codes.numel(), [&](int64_t i) { q[i] = static_cast<int8_t>(f(i)); });
    } else {
        uint8_t* q = codes.data<uint8_t>();
        for_each_cpu(codes.numel(), [&](int64_t i) { q[i] = static_cast<uint8_t>(f(i)); });
    }
    return codes;
}

bool is_accumulator(const Affine& term) {
    return term.codes.dtype() == DType::I32 && term.count == 1 && term.input_scale.defined();
}
bool is_code(const Affine& term) {
    return term.codes.dtype() != DType::I32 && !term.per_channel();
}
bool is_fused_sum(const Exact& value) {
    return value.terms.size() == 2 && is_accumulator(value.terms[0]) && is_code(value.terms[1]);
}
bool is_sum_of_codes(const Exact& value) {
    return value.terms.size() == 2 && is_code(value.terms[0]) && is_code(value.terms[1]);
}

std::vector<RequantizeConstants> constants_of(RequantizeRule rule, const Affine& acc,
                                              const OutputGrid& y) {
    return channel_constants(rule, acc.input_scale, acc.weight_scale, acc.bias, y, acc.shape()[-1]);
}

Tensor accumulator_codes(RequantizeRule rule, const Affine& acc, const OutputGrid& y,
                         CodeBounds bounds, const QuantFormat& format) {
    const auto k = constants_of(rule, acc, y);
    const auto channels = static_cast<int64_t>(k.size());
    const int32_t* a = acc.codes.data<int32_t>();
    return codes_of(acc.shape(), format, [&](int64_t i) {
        return requantize_value(rule, a[i], k[i % channels], y, bounds.lo, bounds.hi);
    });
}

// Codes of another grid: treated as accumulators of one product with the weight 1.
Tensor rescaled_codes(RequantizeRule rule, const Affine& x, const OutputGrid& y, CodeBounds bounds,
                      const QuantFormat& format) {
    const RequantizeConstants k = requantize_constants(rule, scale_of(x), 1.0f, y, 0.0f, false);
    const CodeReader q(x.codes);
    const int32_t z = zero_of(x);
    return codes_of(x.shape(), format, [&](int64_t i) {
        return requantize_value(rule, q[i] - z, k, y, bounds.lo, bounds.hi);
    });
}

Tensor sum_codes(AddRule rule, const Affine& a, const Affine& b, const OutputGrid& y,
                 CodeBounds bounds, const QuantFormat& format) {
    const AddConstants k = add_constants(rule, {scale_of(a), zero_of(a)}, {scale_of(b), zero_of(b)},
                                         {y.scale, y.zero_point});
    const CodeReader qa(a.codes), qb(b.codes);
    return codes_of(a.shape(), format, [&](int64_t i) {
        return residual_add_value(rule, qa[i], qb[i], k, bounds.lo, bounds.hi);
    });
}

Tensor fused_sum_codes(const Affine& acc, const Affine& shortcut, const OutputGrid& y,
                       CodeBounds bounds, const QuantFormat& format) {
    const auto k = constants_of(RequantizeRule::r9, acc, y);
    const auto channels = static_cast<int64_t>(k.size());
    const float ratio = scale_of(shortcut) / y.scale;
    const int32_t z = zero_of(shortcut);
    const int32_t* a = acc.codes.data<int32_t>();
    const CodeReader q(shortcut.codes);
    return codes_of(acc.shape(), format, [&](int64_t i) {
        const RequantizeConstants& c = k[i % channels];
        return add_to_accumulator(a[i], c.multiplier, c.bias, q[i], z, ratio, y.zero_point,
                                  bounds.lo, bounds.hi);
    });
}

int32_t hexagon_bias(double bias, double step, double accumulator_scale) {
    const double code = round_half_away(bias / step);
    return saturate_int32(static_cast<int64_t>(round_half_away(code * step / accumulator_scale)));
}

}  // namespace

bool has_rule(const Hardware& hardware, const Exact& value) {
    if (hardware.requantize == RequantizeRule::none) return false;
    if (is_fused_sum(value)) return hardware.requantize == RequantizeRule::r9;
    if (is_sum_of_codes(value)) return hardware.add != AddRule::none;
    return value.terms.size() == 1 && value.terms[0].count == 1 &&
           (is_accumulator(value.terms[0]) || is_code(value.terms[0]));
}

CodeBounds clamp_bounds(const Hardware& hardware, float lower, float upper, const Grid& grid,
                        const QuantFormat& format) {
    const CodeBounds bounds = bounds_of(grid, format);
    const float s = grid.scale.data<float>()[0];
    const int32_t z = grid.zero_point.data<int32_t>()[0];
    const auto code = [&](float bound) {
        const auto zero = static_cast<float>(z);
        switch (hardware.bound) {
            case BoundRule::half_away:
                return clamp_code(static_cast<float>(round_half_away(bound / s)) + zero, bounds.lo,
                                  bounds.hi);
            case BoundRule::zero_inside:
                return clamp_code(round_half_even(bound / s + zero), bounds.lo, bounds.hi);
            default:
                return quantize_value(bound, s, z, bounds.lo, bounds.hi);
        }
    };
    return {code(lower), code(upper)};
}

OutputGrid output_grid(const Grid& grid, const QuantFormat& format) {
    return {grid.scale.data<float>()[0], grid.zero_point.data<int32_t>()[0], format.qmin(),
            format.qmax()};
}

CodeGrid code_grid(const Grid& grid) {
    return {grid.scale.data<float>()[0], grid.zero_point.data<int32_t>()[0]};
}

std::vector<RequantizeConstants> channel_constants(RequantizeRule rule, const Tensor& input_scale,
                                                   const Tensor& weight_scale, const Tensor& bias,
                                                   const OutputGrid& y, int64_t channels) {
    const bool per_channel = weight_scale.numel() > 1;
    std::vector<RequantizeConstants> k(channels);
    for (int64_t c = 0; c < channels; ++c) {
        k[c] = requantize_constants(rule, input_scale.data<float>()[0],
                                    weight_scale.data<float>()[per_channel ? c : 0], y,
                                    bias.defined() ? bias.data<float>()[c] : 0.0f, per_channel);
    }
    return k;
}

Tensor bias_codes(BiasRule rule, const Tensor& bias, const Tensor& accumulator_scale) {
    const float* b = bias.data<float>();
    float largest = 0.0f;
    for (int64_t c = 0; c < bias.numel(); ++c) largest = std::max(largest, std::fabs(b[c]));
    const double step = largest > 0.0f ? largest / 2147483647.0 : 1.0;
    Tensor codes = Tensor::empty(bias.shape(), DType::I32);
    for (int64_t c = 0; c < bias.numel(); ++c) {
        const float s = accumulator_scale.data<float>()[accumulator_scale.numel() == 1 ? 0 : c];
        codes.data<int32_t>()[c] =
            rule == BiasRule::hexagon ? hexagon_bias(b[c], step, s) : quantize_bias_value(b[c], s);
    }
    return codes;
}

Affine requantize(const Hardware& hardware, const Exact& value, const Grid& grid,
                  const QuantFormat& format) {
    check(has_rule(hardware, value), hardware.name, ": no rule for this value");
    const OutputGrid y = output_grid(grid, format);
    const CodeBounds bounds = clamp_bounds(hardware, value.lower, value.upper, grid, format);
    const Affine& first = value.terms[0];
    const auto codes = [&] {
        if (is_fused_sum(value)) {
            return fused_sum_codes(first, value.terms[1], y, bounds, format);
        }
        if (is_sum_of_codes(value)) {
            return sum_codes(hardware.add, first, value.terms[1], y, bounds, format);
        }
        return is_accumulator(first)
                   ? accumulator_codes(hardware.requantize, first, y, bounds, format)
                   : rescaled_codes(hardware.requantize, first, y, bounds, format);
    };
    return {codes(), grid.scale, grid.zero_point};
}

Affine requantize_average(PoolRule rule, const Affine& sums, const Grid& grid,
                          const QuantFormat& format) {
    const auto count = static_cast<int32_t>(sums.count);
    const AverageConstants k = average_constants(rule, grid.scale.data<float>()[0], count);
    const int32_t z = grid.zero_point.data<int32_t>()[0];
    const int32_t* sum = sums.codes.data<int32_t>();
    const Tensor codes = codes_of(sums.shape(), format, [&](int64_t i) {
        return average_code(rule, sum[i], count, k, z, format.qmin(), format.qmax());
    });
    return {codes, grid.scale, grid.zero_point};
}

Affine requantize_windows(PoolRule rule, const Affine& x, const PoolShape& shape, const Grid& grid,
                          const QuantFormat& format) {
    const int32_t z = grid.zero_point.data<int32_t>()[0];
    const WindowAverages averages(rule, shape, x.codes, grid.scale.data<float>()[0], z);
    const Tensor codes = codes_of(shape.output(), format, [&](int64_t i) {
        return averages.code(i, format.qmin(), format.qmax());
    });
    return {codes, grid.scale, grid.zero_point};
}

}  // namespace gradus
