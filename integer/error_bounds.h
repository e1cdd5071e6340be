// error_bounds -- bounds the distance of the textbook float simulation (qdq) from the real numbers
// that the integers round: theorem T5's certificate.
//
//   convolution  |x'w' summed in floats, in any order - s_x s_w acc|
//                  <= (K + 4) 2^-24 (sum |x' w'| + |b|) + |b - s_x s_w b_q| + the rule's own error
//
// x' and w' are floats of codes, K products are summed, b_q is the bias as the integers hold it.
// The rule's error (quant/rule_error.h) is added at the value's origin: after the convolution, sum
// or average. ReLU, pooling by maximum and joining pass a bound on. An output whose value is
// further from every tie than its bound has the same code in both, proven without running the
// integers.
//
// source     Higham, Accuracy and Stability of Numerical Algorithms, 3.1 (sums); quant/rule_error.h
// exactness  upper bounds
#pragma once

#include <map>
#include <string>
#include <vector>

#include "integer/program.h"
#include "integer/register_grids.h"
#include "nn/executor.h"
#include "quant/prepare.h"

namespace gradus {

// A value and its bound for each element, in the same shape; an undefined bound is 0 everywhere.
struct Bounded {
    Variable value;
    Tensor bound;
};

class ErrorBounds {
  public:
    ErrorBounds(const QuantizedModel& model, const Program& program);

    // The bound of an operator's output, or of the value that a quantizer is about to round;
    // infinite if unknown.
    Tensor of(const Node& node, const std::vector<Bounded>& inputs, const Variable& output) const;

    // The instruction of the same name as a node; null if none.
    const Instruction* instruction(const std::string& name) const;

  private:
    Tensor weighted(const Node& node, const std::vector<Bounded>& inputs) const;
    Tensor sum(const Node& node, const std::vector<Bounded>& inputs) const;
    Tensor average(const Node& node, const std::vector<Bounded>& inputs) const;
    Tensor rescaled(const Node& node, const Bounded& x) const;
    Tensor normalised(const Node& node, const std::vector<Bounded>& inputs) const;

    const QuantizedModel& model_;
    std::vector<std::optional<RegisterGrid>> grids_;
    std::map<std::string, const Instruction*> instructions_;
};

}  // namespace gradus
