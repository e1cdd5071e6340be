#include "quant/requantize_exact.h"

#include <vector>

#include "quant/numerics.h"
#include "quant/requantize.h"
#include "tensor/parallel.h"

namespace gradus {

namespace {

int32_t zero_of(const Affine& value) {
    return value.zero_point.data<int32_t>()[0];
}
float scale_of(const Affine& value) {
    return value.scale.data<float>()[0];
}

// f(i) is the code of element i; Code is int8_t or uint8_t.
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

Tensor accumulator_codes(const Affine& acc, float output_scale, int32_t z, CodeBounds bounds,
                         const QuantFormat& format) {
    const int64_t channels = acc.scale.numel();
    std::vector<float> multiplier(channels);
    for (int64_t c = 0; c < channels; ++c) {
        multiplier[c] = r1_multiplier(acc.scale.data<float>()[c], output_scale);
    }
    const int32_t* a = acc.codes.data<int32_t>();
    return codes_of(acc.shape(), format, [&](int64_t i) {
        return r1_requantize(a[i], multiplier[channels == 1 ? 0 : i % channels], z, bounds.lo,
                             bounds.hi);
    });
}

Tensor sum_codes(const Affine& a, const Affine& b, float output_scale, int32_t z, CodeBounds bounds,
                 const QuantFormat& format) {
    const AddConstants constants = onnxruntime_add_constants(scale_of(a), zero_of(a), scale_of(b),
                                                             zero_of(b), output_scale, z);
    const CodeReader qa(a.codes), qb(b.codes);
    return codes_of(a.shape(), format, [&](int64_t i) {
        return onnxruntime_add(qa[i], qb[i], constants, bounds.lo, bounds.hi);
    });
}

bool is_accumulator(const Exact& value) {
    return value.terms.size() == 1 && value.terms[0].codes.dtype() == DType::I32 &&
           value.terms[0].count == 1;
}

bool is_sum_of_codes(const Exact& value) {
    if (value.terms.size() != 2) return false;
    for (const Affine& term : value.terms) {
        if (term.codes.dtype() == DType::I32 || term.per_channel()) return false;
    }
    return true;
}

}  // namespace

bool has_rule(const Hardware& hardware, const Exact& value) {
    return (is_accumulator(value) && hardware.requantize == RequantizeRule::r1) ||
           (is_sum_of_codes(value) && hardware.add == AddRule::onnxruntime);
}

CodeBounds clamp_bounds(float lower, float upper, const Grid& grid, const QuantFormat& format) {
    const CodeBounds bounds = bounds_of(grid, format);
    const auto code = [&](float bound) {
        return quantize_value(bound, grid.scale.data<float>()[0],
                              grid.zero_point.data<int32_t>()[0], bounds.lo, bounds.hi);
    };
    return {code(lower), code(upper)};
}

Affine requantize(const Hardware& hardware, const Exact& value, const Grid& grid,
                  const QuantFormat& format) {
    check(has_rule(hardware, value), hardware.name, ": no rule for this value");
    const float s = grid.scale.data<float>()[0];
    const int32_t z = grid.zero_point.data<int32_t>()[0];
    const CodeBounds bounds = clamp_bounds(value.lower, value.upper, grid, format);
    const Tensor codes = is_accumulator(value)
                             ? accumulator_codes(value.terms[0], s, z, bounds, format)
                             : sum_codes(value.terms[0], value.terms[1], s, z, bounds, format);
    return {codes, grid.scale, grid.zero_point};
}

Affine requantize_average(const Hardware& hardware, const Affine& sums, const Grid& grid,
                          const QuantFormat& format) {
    check(hardware.pool == PoolRule::onnxruntime, hardware.name, ": no rule for average pooling");
    const float s = grid.scale.data<float>()[0];
    const int32_t z = grid.zero_point.data<int32_t>()[0];
    const float multiplier =
        average_multiplier(scale_of(sums), s, static_cast<int32_t>(sums.count));
    const int32_t* sum = sums.codes.data<int32_t>();
    const int32_t centre = zero_of(sums);
    const Tensor codes = codes_of(sums.shape(), format, [&](int64_t i) {
        return average_requantize(sum[i] - centre, multiplier, z, format.qmin(), format.qmax());
    });
    return {codes, grid.scale, grid.zero_point};
}

}  // namespace gradus
