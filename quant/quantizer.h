// quantizer -- float in, codes out, and a gradient that is a choice.
//
// A Quantizer is the state behind one `quantize` node: its format, its learned parameters and the
// algorithm that reads them. The training graph and the inference graph share it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "nn/graph.h"
#include "quant/format.h"
#include "tensor/affine.h"

namespace gradus {

struct Quantizer;
struct Hardware;

enum class Role { weight, activation };
// exact: values are codes, the target's own arithmetic. qdq: textbook float fake quantization.
enum class Simulate { exact, qdq };

// The grid that is in force: scale F32 [1 or C], zero point I32 [1].
struct Grid {
    Tensor scale;
    Tensor zero_point;
};

// Gradients of a quantizer: of its input and of its parameters, in their order.
struct QuantizerGrads {
    Tensor dx;
    std::vector<Tensor> parameters;
};

// One row of the table behind --algo. One algorithm, one file in quant/algorithms/.
struct Algorithm {
    const char* name;
    const char* citation;
    // The names of the learned parameters for this quantizer ("scale", "zero_point").
    std::vector<std::string> (*parameters)(const Quantizer& quantizer);
    // First values from what the quantizer sees.
    void (*initialise)(Quantizer& quantizer, const Tensor& x);
    // Brings parameters back to where they are legal; called before every use.
    void (*project)(Quantizer& quantizer);
    Grid (*grid)(const Quantizer& quantizer);
    // dx and parameter gradients from the float input x, the grid it was put on, and dy.
    QuantizerGrads (*backward)(const Quantizer& quantizer, const Grid& grid, const Tensor& x,
                               const Tensor& dy);
};

// All rows; an unknown name is a usage error with the list.
const std::vector<Algorithm>& algorithms();
const Algorithm& find_algorithm(const std::string& name);

struct Quantizer : NodePayload {
    std::string name;
    Role role = Role::weight;
    QuantFormat format;
    Simulate simulate = Simulate::exact;
    bool learn_zero_point = false;  // asymmetric only; else it stays qmin
    bool adaptive_sign = false;     // unsigned if no negative value was seen (MQBench, 1.2)
    bool observing = false;         // the next forward initialises the parameters from its input
    const Algorithm* algorithm = nullptr;
    const Hardware* hardware = nullptr;
    std::vector<std::shared_ptr<Parameter>> parameters;

    Parameter& parameter(const std::string& suffix) const;  // "scale"
    std::string describe() const override;
};

// Smallest legal scale: float epsilon (MQBench 0.4).
constexpr float kScaleFloor = 1.1920929e-7f;

// The two settings that every uniform algorithm shares: LSQ's gradient scale
// g = 1 / sqrt(numel / channels * qmax), and the channel extent of an array under a format.
float lsq_gradient_scale(const QuantFormat& format, const Shape& shape);
int64_t channel_count(const QuantFormat& format, const Shape& shape);

// Codes of x on a grid by numerics.h. Any layout of channels. Exact.
Affine quantize_to_grid(const Tensor& x, const Grid& grid, const QuantFormat& format);

}  // namespace gradus
