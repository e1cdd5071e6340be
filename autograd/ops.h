// ops -- the differentiable operators, forward and backward of each in autograd/ops/<op>.cc.
//
// Activations are NHWC, weights OHWI. Operators read floats or exact values. On codes they stay in
// integers as far as integers are exact (convolution, pooling, concat, the residual sum, ReLU) and
// never round to a grid: that is the quantizers' part, in quant/.
#pragma once

#include <vector>

#include "autograd/variable.h"
#include "tensor/kernels/conv2d_codes.h"
#include "tensor/kernels/conv2d_shape.h"
#include "tensor/rng.h"

namespace gradus {

// The result of convolution and linear when both operands are codes.
enum class CodesOutput {
    real,         // f32(acc) * f32(s_x s_w[c]), one pass (training on batch statistics, logits)
    accumulator,  // the int32 accumulators with scale f32(s_x s_w[c]): an Exact of one term
};

// y[n,oh,ow,o] = sum x w + bias. x [N,H,W,C], w [O,KH,KW,C/groups], bias [O] or undefined.
// Both codes: int32 accumulators, to which `bias` is added as int32 codes if it is exact, and as
// float to the result if it is not (accumulators keep it next to them). Float otherwise. The
// gradient is that of the float views, also where a policy saturates: dx = dy * w_hat,
// dw = x_hat * dy, dbias = sum dy.
Variable conv2d(const Variable& x, const Variable& w, const Variable& bias,
                const Conv2dAttrs& attrs, CodesOutput codes_output = CodesOutput::real,
                AccumulatorPolicy policy = AccumulatorPolicy::exact);
// y[n,o] = sum_c x[n,c] w[o,c] + bias[o]: the 1x1 case of conv2d.
Variable linear(const Variable& x, const Variable& w, const Variable& bias,
                CodesOutput codes_output = CodesOutput::real,
                AccumulatorPolicy policy = AccumulatorPolicy::exact);

struct BatchNormAttrs {
    float eps = 1e-5f;
    float momentum = 0.1f;  // running <- (1 - momentum) running + momentum batch
};
// Per channel (the last axis) over all other axes. Training: batch statistics (biased variance);
// running_mean and running_var are updated in place (unbiased variance). Else: running statistics.
Variable batch_norm(const Variable& x, const Variable& gamma, const Variable& beta,
                    Tensor running_mean, Tensor running_var, const BatchNormAttrs& attrs,
                    bool training);
// The parts of batch norm that a folding needs separately. Mean and biased variance of u per
// channel (the last axis) over all other axes. Training: of the batch; updates the running average
// in place (unbiased variance). Else: the running average.
Variable batch_mean(const Variable& u, Tensor running_mean, float momentum, bool training);
Variable batch_variance(const Variable& u, Tensor running_var, float momentum, bool training);
// gamma / sqrt(var + eps), kept away from zero: |.| >= 1e-6, sign of gamma (+ for 0).
Variable batch_norm_scale(const Variable& gamma, const Variable& var, float eps);
// beta + (bias - mean) * scale; `bias` may be undefined (Jacob et al., CVPR 2018).
Variable batch_norm_bias(const Variable& beta, const Variable& mean, const Variable& scale,
                         const Variable& bias);
// sqrt(running_var + eps) / sqrt(batch_var + eps) (Krishnamoorthi, arXiv 1806.08342).
Variable deviation_ratio(const Tensor& running_var, const Variable& batch_var, float eps);

// x scaled along one axis by factor [x.shape[axis]]; axis 0 for weights, -1 for activations.
Variable multiply_axis(const Variable& x, const Variable& factor, int axis);
Variable divide_axis(const Variable& x, const Variable& factor, int axis);
// x + b along one axis.
Variable add_axis(const Variable& x, const Variable& b, int axis);

// max(x, 0); min(max(x, 0), 6). On an exact value: a clamp that is applied at the quantizer.
Variable relu(const Variable& x);
Variable relu6(const Variable& x);
// a + b, same shape. Two unclamped exact terms stay exact: a sum of two.
Variable add(const Variable& a, const Variable& b);
// Along the channels. Codes stay codes if all inputs share scale and zero point.
Variable concat(const std::vector<Variable>& inputs);

// Codes stay codes (max commutes with the grid). Padding never wins.
Variable max_pool2d(const Variable& x, const PoolAttrs& attrs);
Variable average_pool2d(const Variable& x, const PoolAttrs& attrs);
// [N,H,W,C] -> [N,1,1,C]. Codes: exact int32 sums with count = H*W, zero point H*W*z.
Variable global_average_pool(const Variable& x);
// [N, ...] -> [N, numel / N] in memory order.
Variable flatten(const Variable& x);
// Training: zero with probability p, else x / (1 - p); element i drawn by rng.uniform(i).
Variable dropout(const Variable& x, float p, const Rng& rng, bool training);

// Mean over the batch of -sum_k t_k log softmax(logits)_k with t = 1 - smoothing + smoothing / K
// for the label, smoothing / K else. logits [N, K] F32, labels [N] I64 in [0, K).
Variable softmax_cross_entropy(const Variable& logits, const Tensor& labels, float smoothing);

}  // namespace gradus
