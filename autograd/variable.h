// variable -- a value with a history: reverse-mode differentiation.
//
// A value is a float Tensor or an Exact (codes with scale and zero point). The tape holds gradients
// and closures only, never values: what an operator does not capture is freed with its last user.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tensor/affine.h"
#include "tensor/tensor.h"

namespace gradus {

// One gradient per input of an operator, in order; an undefined Tensor means none.
using Grads = std::vector<Tensor>;
// Maps the gradient of an operator's output to those of its inputs.
using Backward = std::function<Grads(const Tensor& dy)>;

struct TapeNode {
    std::string op;  // "leaf" for parameters
    std::vector<std::shared_ptr<TapeNode>> inputs;
    Backward backward;
    Tensor grad;
};

class Variable {
  public:
    Variable() = default;  // undefined: an absent optional input
    explicit Variable(Tensor value, bool requires_grad = false);
    explicit Variable(Exact value);

    bool defined() const { return value_.defined() || exact_ != nullptr; }
    const Shape& shape() const;
    // The float view; an exact value is dequantized again on every call.
    Tensor data() const;
    // The exact value, or nullptr if this is a float.
    const Exact* exact() const { return exact_.get(); }

    bool requires_grad() const { return tape_ != nullptr; }
    // d loss / d this of a leaf after backward(); undefined if the loss does not depend on it.
    const Tensor& grad() const;

  private:
    friend Variable record(const char*, Variable, const std::vector<Variable>&, Backward);
    friend void backward(const Variable& loss);

    Tensor value_;
    std::shared_ptr<const Exact> exact_;
    std::shared_ptr<TapeNode> tape_;
};

// Puts an operator on the tape and returns `value` with that history. Records nothing if no input
// requires a gradient. `backward` must capture only what it reads.
Variable record(const char* op, Variable value, const std::vector<Variable>& inputs,
                Backward backward);

// Fills grad() of every leaf that `loss` (one element) depends on. Consumes the tape: closures and
// inner gradients are freed after use. Gradients of several consumers are added in the fixed order
// of the tape, so the bits do not depend on threads.
void backward(const Variable& loss);

}  // namespace gradus
