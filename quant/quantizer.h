// quantizer -- float in, codes out, and a gradient that is a choice.
//
// A Quantizer is the state behind one `quantize` node: its format, its parameters and the algorithm
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
// Where MQBench's paper and its released code disagree (docs/algorithms.md lists the places).
enum class Reading { paper, code };
// DSQ's gradient: of its soft staircase, or plain straight-through (MQBench's released code).
enum class DsqForm { soft, ste };

// The grid in force: x_hat = scale (q - zero_point), lo <= q <= hi.
struct Grid {
    Tensor scale;                      // F32 [1 or C]
    Tensor zero_point;                 // I32, as many
    std::optional<CodeBounds> bounds;  // where an algorithm clips to less than the format's range
};

// Gradients of a quantizer: of its input, and of its learned parameters in their order.
struct QuantizerGrads {
    Tensor dx;
    std::vector<Tensor> parameters;
};

// One number a quantizer keeps (per channel: one a channel).
struct ParameterRow {
    std::string name;       // "scale"
    float initial;          // before the first values are known
    bool learned = true;    // else it is kept and set by rule
    bool positive = false;  // a value of zero or below is wrong, and reported
};

// One row of the table behind --algo. One algorithm, one file in quant/algorithms/. Functions that
// are null mean that nothing is to do, or that what is usual is done.
struct Algorithm {
    const char* name;
    const char* citation;
    const char* for_weights = nullptr;     // the row that --algo NAME takes for weights
    const char* not_deployable = nullptr;  // why no integer target can execute it
    bool ends_by_range = false;            // first and last layer by the min-max rule (MQBench 2)
    bool takes_calibration = false;        // --calibration may replace its own first values
    bool real_offset = false;              // a free zero point is a real number in qdq
    // Why it cannot serve this quantizer, as the end of "NAME: ..."; empty if it can.
    std::string (*refusal)(const Quantizer& q) = nullptr;
    std::vector<ParameterRow> (*parameters)(const Quantizer& q) = nullptr;
    // First values from all that the quantizer has seen so far.
    void (*initialise)(Quantizer& q, const Statistics& seen) = nullptr;
    // Lets ranges follow what is seen: before every use, with the input of that use.
    void (*follow)(Quantizer& q, const Tensor& x, bool training) = nullptr;
    // Brings parameters back to where they are legal: before every use.
    void (*project)(Quantizer& q) = nullptr;
    // From its parameters alone; Quantizer::grid is what is in force.
    Grid (*grid)(const Quantizer& q) = nullptr;
    // Codes of x on the grid; codes may be I32 where they do not fit the format's byte.
    Affine (*codes)(const Quantizer& q, const Grid& grid, const Tensor& x) = nullptr;
    // x_hat, where it is not the float view of the codes.
    Tensor (*values)(const Quantizer& q, const Grid& grid, const Tensor& x) = nullptr;
    // From the float input x, the grid it was put on, and dy.
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
    bool follows_range = false;           // minmax: the range follows what is seen
    std::optional<float> gradient_scale;  // instead of the algorithm's own
    const Algorithm* algorithm = nullptr;
    const Hardware* hardware = nullptr;
    std::vector<std::shared_ptr<Parameter>> parameters;  // the learned ones first, in their order

    // Of weights under an int32 bias: on whose grid their layer's input is, and the scales below
    // which that bias leaves int32 (quant/bias_fit.h), F32 [1 or C]; set before every use.
    std::shared_ptr<const Quantizer> input;
    Tensor least_scale;

    bool observing = false;            // the next forward adds its input to what was seen
    bool holding = false;              // ranges of activations stay, also in training
    bool saw_nothing = false;          // calibration gave an activation only zeros
    std::shared_ptr<Statistics> seen;  // while calibrating

    // The grid in force: the algorithm's, its scales raised to the least ones.
    Grid grid() const;
    Parameter& parameter(const std::string& suffix) const;  // "scale"
    const float* values_of(const std::string& suffix) const;
    std::string describe() const override;
};

// True if a scale of q is raised to a least one.
bool raises_scale(const Quantizer& q);

// Makes the parameters of q.algorithm with their initial values, per channel with `channels` each.
// A usage error if the algorithm refuses the quantizer.
void make_parameters(Quantizer& q, int64_t channels);

// One step of calibration: adds x to what q has seen, decides its sign, sets its parameters.
void observe(Quantizer& q, const Tensor& x);

// The forward pass in its parts. `codes_of` is exact; `values_of` (one pass where the algorithm is
// plain) equals dequantize(codes_of(...)) bit for bit unless the algorithm's row says otherwise.
Affine codes_of(const Quantizer& q, const Grid& grid, const Tensor& x);
Tensor values_of(const Quantizer& q, const Grid& grid, const Tensor& x);

// The settings that algorithms share: LSQ's gradient scale g = 1 / sqrt(numel / channels * qmax),
// or what q.gradient_scale says instead, and the channel extent of an array under a format.
float lsq_gradient_scale(const Quantizer& q, const Shape& shape);
int64_t channel_count(const QuantFormat& format, const Shape& shape);

// The integers that codes on this grid may be.
CodeBounds bounds_of(const Grid& grid, const QuantFormat& format);
// True if [lo, hi] is the range of an activation that is 0 throughout. Its scale is 1, as
// onnxruntime's quantization tool has it: at the floor of all scales the bias of the layer that
// reads it would leave int32.
bool is_dead(const Quantizer& q, float lo, float hi);
// The grid of ranges [lo, hi], one per channel, by MQBench 1.3 with its power-of-two scales.
Grid grid_of_ranges(const Quantizer& q, const float* lo, const float* hi, int64_t channels);

// Codes of x on a grid by numerics.h. Any layout of channels. Exact.
Affine quantize_to_grid(const Tensor& x, const Grid& grid, const QuantFormat& format);
// x_hat of the same codes, in one pass. Exact.
Tensor fake_quantize_to_grid(const Tensor& x, const Grid& grid, const QuantFormat& format);

}  // namespace gradus
