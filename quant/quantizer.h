// quantizer -- floats in, codes out, with a selectable gradient.
//
// A Quantizer is the state of one `quantize` node: its format, its parameters and the algorithm
// that reads them. The training graph and the inference graph share it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nn/graph.h"
#include "quant/calibration.h"
#include "quant/format.h"
#include "tensor/affine.h"

namespace gradus {

struct Quantizer;
struct Hardware;

enum class Role { weight, activation };
// exact: values are codes, the target's own arithmetic. qdq: textbook float fake quantization.
enum class Simulate { exact, qdq };
// Selects MQBench's paper or its released code if they disagree (docs/algorithms.md has a list).
enum class Reading { paper, code };
// DSQ's gradient: of its soft staircase, or plain straight-through (MQBench's released code).
enum class DsqForm { soft, ste };

// The grid in use: x_hat = scale (q - zero_point), lo <= q <= hi.
struct Grid {
    Tensor scale;                      // F32 [1 or C]
    Tensor zero_point;                 // I32, as many
    std::optional<CodeBounds> bounds;  // if an algorithm clips to less than the format's range
};

// Gradients of a quantizer: of its input, and of its learned parameters in their order.
struct QuantizerGrads {
    Tensor dx;
    std::vector<Tensor> parameters;
};

// One number that a quantizer stores (per channel: one for each channel).
struct ParameterRow {
    std::string name;       // "scale"
    float initial;          // before the first values are known
    bool learned = true;    // else set by a rule
    bool positive = false;  // values of zero or below are wrong, and reported
};

// A row of the table for --algo. One algorithm, one file in quant/algorithms/. A null function
// means that there is nothing to do, or the default is used.
struct Algorithm {
    const char* name;
    const char* citation;
    const char* for_weights = nullptr;     // the row that --algo NAME takes for weights
    const char* not_deployable = nullptr;  // why integer targets cannot execute it
    bool ends_by_range = false;            // first and last layer by the min-max rule (MQBench 2)
    bool takes_calibration = false;        // --calibration may replace its own first values
    bool real_offset = false;              // a free zero point is a real number in qdq
    // Why the algorithm cannot serve this quantizer, as the end of "NAME: ..."; empty if it can.
    std::string (*refusal)(const Quantizer& q) = nullptr;
    std::vector<ParameterRow> (*parameters)(const Quantizer& q) = nullptr;
    // Sets first values from everything that the quantizer has seen.
    void (*initialise)(Quantizer& q, const Statistics& seen) = nullptr;
    // Updates ranges that follow the data: before every use, with the input of that use.
    void (*follow)(Quantizer& q, const Tensor& x, bool training) = nullptr;
    // Projects parameters to legal values: before every use.
    void (*project)(Quantizer& q) = nullptr;
    // The grid from the parameters alone; Quantizer::grid gives the one in use.
    Grid (*grid)(const Quantizer& q) = nullptr;
    // Codes of x on the grid; I32 if they do not fit the format's byte.
    Affine (*codes)(const Quantizer& q, const Grid& grid, const Tensor& x) = nullptr;
    // x_hat, if it is not the float view of the codes.
    Tensor (*values)(const Quantizer& q, const Grid& grid, const Tensor& x) = nullptr;
    // Gradients from the float input x, its grid, and dy.
    QuantizerGrads (*backward)(const Quantizer& q, const Grid& grid, const Tensor& x,
                               const Tensor& dy) = nullptr;
};

// All rows; an unknown name is a usage error with the list.
const std::vector<Algorithm>& algorithms();
const Algorithm& find_algorithm(const std::string& name);
// The row that --algo NAME means for a role: PACT's weights are DoReFa's.
const Algorithm& find_algorithm(const std::string& name, Role role);

struct Quantizer : NodePayload {
    std::string name;
    Role role = Role::weight;
    QuantFormat format;
    Simulate simulate = Simulate::exact;
    Reading reading = Reading::paper;
    DsqForm dsq_form = DsqForm::soft;
    Calibration calibration = Calibration::own;
    // Asymmetric with values of both signs: the zero point is free. Else it is 0, or qmin.
    bool free_zero_point = false;
    bool adaptive_sign = false;           // unsigned if no negative value was seen (MQBench 1.2)
    bool follows_range = false;           // minmax: the range follows the data
    std::optional<float> gradient_scale;  // instead of the algorithm's own
    const Algorithm* algorithm = nullptr;
    const Hardware* hardware = nullptr;
    std::vector<std::shared_ptr<Parameter>> parameters;  // the learned ones first, in order

    // For weights with an int32 bias: the quantizer of their layer's input, and the scales below
    // which that bias overflows int32 (quant/bias_fit.h), F32 [1 or C]; set before every use.
    std::shared_ptr<const Quantizer> input;
    Tensor least_scale;

    bool observing = false;            // the next forward pass adds its input to `seen`
    bool holding = false;              // ranges of activations are fixed, also in training
    bool saw_nothing = false;          // calibration saw only zeros of an activation
    std::shared_ptr<Statistics> seen;  // only while calibrating

    // The grid in use: the algorithm's, with its scales raised to the least allowed.
    Grid grid() const;
    Parameter& parameter(const std::string& suffix) const;  // "scale"
    const float* values_of(const std::string& suffix) const;
    std::string describe() const override;
};

// True if a scale of q is raised to the least allowed.
bool raises_scale(const Quantizer& q);

// Makes the parameters of q.algorithm with their initial values, per channel with `channels` each.
// Error(usage) if the algorithm refuses the quantizer.
void make_parameters(Quantizer& q, int64_t channels);

// One step of calibration: adds x to the statistics of q, decides its sign, sets its parameters.
void observe(Quantizer& q, const Tensor& x);

// The parts of the forward pass. `codes_of` is exact; `values_of` (one pass if the algorithm is
// plain) equals dequantize(codes_of(...)) bit for bit unless the algorithm's row says otherwise.
Affine codes_of(const Quantizer& q, const Grid& grid, const Tensor& x);
Tensor values_of(const Quantizer& q, const Grid& grid, const Tensor& x);

// Settings shared by algorithms: LSQ's gradient scale g = 1 / sqrt(numel / channels * qmax), or
// q.gradient_scale instead, and the channel extent of an array under a format.
float lsq_gradient_scale(const Quantizer& q, const Shape& shape);
int64_t channel_count(const QuantFormat& format, const Shape& shape);

// The range of codes on this grid.
CodeBounds bounds_of(const Grid& grid, const QuantFormat& format);
// True if [lo, hi] is the range of an activation that is always 0. Its scale is 1, as in
// onnxruntime's quantization tool: with the smallest scale, the bias of the layer that reads it
// would overflow int32.
bool is_dead(const Quantizer& q, float lo, float hi);
// The grid of ranges [lo, hi], one per channel, by MQBench 1.3 with its power-of-two scales.
Grid grid_of_ranges(const Quantizer& q, const float* lo, const float* hi, int64_t channels);

// Codes of x on a grid by numerics.h. Any layout of channels. Exact.
Affine quantize_to_grid(const Tensor& x, const Grid& grid, const QuantFormat& format);
// x_hat of the same codes, in one pass. Exact.
Tensor fake_quantize_to_grid(const Tensor& x, const Grid& grid, const QuantFormat& format);

}  // namespace gradus
