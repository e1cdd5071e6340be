#include "autograd/variable.h"

#include <unordered_set>
#include <utility>

#include "tensor/kernels/add.h"

namespace gradus {

Variable::Variable(Tensor value, bool requires_grad) : value_(std::move(value)) {
    if (requires_grad) {
        tape_ = std::make_shared<TapeNode>();
        tape_->op = "leaf";
    }
}

Variable::Variable(Exact value) : exact_(std::make_shared<const Exact>(std::move(value))) {}

const Shape& Variable::shape() const {
    return exact_ ? exact_->shape() : value_.shape();
}

Tensor Variable::data() const {
    return exact_ ? dequantize(*exact_) : value_;
}

const Tensor& Variable::grad() const {
    check(tape_ != nullptr, "grad: this variable does not require a gradient");
    return tape_->grad;
}

Variable record(const char* op, Variable value, const std::vector<Variable>& inputs,
                Backward backward) {
    bool needed = false;
    for (const Variable& input : inputs) needed = needed || input.requires_grad();
    if (!needed) return value;
    value.tape_ = std::make_shared<TapeNode>();
    value.tape_->op = op;
    value.tape_->backward = std::move(backward);
    for (const Variable& input : inputs) value.tape_->inputs.push_back(input.tape_);
    return value;
}

namespace {

// Children before parents; iterative, since networks are deep.
std::vector<TapeNode*> post_order(TapeNode* root) {
    std::vector<TapeNode*> order;
    std::unordered_set<TapeNode*> seen{root};
    std::vector<std::pair<TapeNode*, size_t>> stack{{root, 0}};
    while (!stack.empty()) {
        auto& [node, next] = stack.back();
        if (next == node->inputs.size()) {
            order.push_back(node);
            stack.pop_back();
            continue;
        }
        TapeNode* input = node->inputs[next++].get();
        if (input && seen.insert(input).second) stack.push_back({input, 0});
    }
    return order;
}

void accumulate(Tensor& grad, const Tensor& more) {
    if (!grad.defined()) {
        grad = more;  // shared: an operator may return one gradient for several inputs
        return;
    }
    check(grad.shape() == more.shape(), "backward: gradients of shapes ", grad.shape(), " and ",
          more.shape(), " meet");
    Tensor sum = Tensor::empty(grad.shape(), DType::F32, grad.device());
    add_forward(grad.device(), grad.data<float>(), more.data<float>(), sum.data<float>(),
                sum.numel());
    grad = sum;
}

}  // namespace

void backward(const Variable& loss) {
    check(loss.tape_ != nullptr, "backward: the loss does not depend on anything that learns");
    check(loss.shape().numel() == 1, "backward: the loss must be one number, got ", loss.shape());
    loss.tape_->grad = Tensor::full(loss.shape(), 1.0f);
    const std::vector<TapeNode*> order = post_order(loss.tape_.get());
    for (auto node = order.rbegin(); node != order.rend(); ++node) {
        if (!(*node)->backward) continue;
        if ((*node)->grad.defined()) {
            const Grads grads = (*node)->backward((*node)->grad);
            check(grads.size() == (*node)->inputs.size(), (*node)->op, ": backward gave ",
                  grads.size(), " gradients for ", (*node)->inputs.size(), " inputs");
            for (size_t i = 0; i < grads.size(); ++i) {
                if ((*node)->inputs[i] && grads[i].defined()) {
                    accumulate((*node)->inputs[i]->grad, grads[i]);
                }
            }
        }
        (*node)->backward = nullptr;
        (*node)->grad = Tensor();
    }
}

}  // namespace gradus
