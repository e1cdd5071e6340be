// quantizers -- a single quantizer: its parameters set by hand, and all results of one use.
#pragma once

#include <string>
#include <vector>

#include "quant/hardware.h"
#include "quant/quantizer.h"
#include "tests/compare.h"

namespace gradus {

// The choices of a test about a quantizer; everything else has its default.
struct QuantizerKind {
    std::string algorithm;
    Role role = Role::weight;
    QuantFormat format = {};
    bool free_zero_point = false;
    Simulate simulate = Simulate::qdq;
    DsqForm dsq_form = DsqForm::soft;
    Reading reading = Reading::paper;
    bool follows_range = false;
    Calibration calibration = Calibration::own;
};

inline QuantFormat format_of(int bits, bool is_signed = true, bool symmetric = true,
                             int channel_axis = -1) {
    QuantFormat format;
    format.bits = bits;
    format.is_signed = is_signed;
    format.symmetric = symmetric;
    format.channel_axis = channel_axis;
    return format;
}

// A usage error if the algorithm refuses.
inline Quantizer make_quantizer(const QuantizerKind& kind, int64_t channels = 1) {
    Quantizer q;
    q.name = "q";
    q.role = kind.role;
    q.format = kind.format;
    q.free_zero_point = kind.free_zero_point;
    q.simulate = kind.simulate;
    q.dsq_form = kind.dsq_form;
    q.reading = kind.reading;
    q.follows_range = kind.follows_range;
    q.calibration = kind.calibration;
    q.algorithm = &find_algorithm(kind.algorithm);
    q.hardware = &find_hardware("onnxruntime");
    make_parameters(q, channels);
    return q;
}

inline void set_parameter(Quantizer& q, const std::string& suffix, const std::vector<float>& v) {
    q.parameter(suffix).value.copy_from(Tensor::from(v, {static_cast<int64_t>(v.size())}));
}

inline Tensor row_of(const std::vector<float>& values) {
    return Tensor::from(values, {static_cast<int64_t>(values.size())});
}

inline std::vector<int32_t> integers(const Tensor& codes) {
    if (codes.dtype() == DType::I32) return codes.to_vector<int32_t>();
    const CodeReader read(codes);
    std::vector<int32_t> result;
    for (int64_t i = 0; i < codes.numel(); ++i) result.push_back(read[i]);
    return result;
}

// The weights of MQBench 1.7.
inline const std::vector<float> golden_weights{0.9f, -0.2f, 0.1f, -0.5f, 0.3f, 0.4f};

struct Use {
    Grid grid;
    std::vector<int32_t> codes;
    Tensor values;
    QuantizerGrads grads;

    std::vector<float> x_hat() const { return values.to_vector<float>(); }
    std::vector<float> dx() const { return grads.dx.to_vector<float>(); }
    float learned(int parameter) const { return grads.parameters.at(parameter).data<float>()[0]; }
    float scale() const { return grid.scale.data<float>()[0]; }
    int32_t zero_point() const { return grid.zero_point.data<int32_t>()[0]; }
};

// One forward and backward pass with the current parameters.
inline Use use_as_is(const Quantizer& q, const Tensor& x, const Tensor& dy) {
    const Grid grid = q.grid();
    return {grid, integers(codes_of(q, grid, x).codes), values_of(q, grid, x),
            q.algorithm->backward(q, grid, x, dy)};
}

// Updates ranges and parameters for x first, as the operator does.
inline Use use(Quantizer& q, const Tensor& x, const Tensor& dy, bool training = true) {
    if (q.algorithm->follow) q.algorithm->follow(q, x, training);
    if (q.algorithm->project) q.algorithm->project(q);
    return use_as_is(q, x, dy);
}

// With dy = 1.
inline Use use_as_is(const Quantizer& q, const std::vector<float>& x) {
    return use_as_is(q, row_of(x), Tensor::full({static_cast<int64_t>(x.size())}, 1.0f));
}
inline Use use(Quantizer& q, const std::vector<float>& x, bool training = true) {
    return use(q, row_of(x), Tensor::full({static_cast<int64_t>(x.size())}, 1.0f), training);
}

// |got - want| <= tolerance for all; printed numbers have an error of half their last digit.
inline bool near(const std::vector<float>& got, const std::vector<double>& want, double tolerance) {
    bool ok = got.size() == want.size();
    for (size_t i = 0; ok && i < got.size(); ++i) {
        ok = std::fabs(got[i] - want[i]) <= tolerance;
        if (!ok) std::cerr << "element " << i << ": got " << got[i] << ", want " << want[i] << '\n';
    }
    return ok;
}

}  // namespace gradus
