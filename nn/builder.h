// builder -- adds layers, named as in torchvision, to a graph with one call each.
#pragma once

#include <string>
#include <vector>

#include "nn/graph.h"
#include "nn/init.h"
#include "tensor/kernels/conv2d_shape.h"
#include "tensor/rng.h"

namespace gradus {

// Draws weights per tensor from rng.split(name): a layer's numbers do not depend on other layers.
class GraphBuilder {
  public:
    GraphBuilder(const Shape& sample_shape, const Rng& rng);

    // Each returns the id of its node; `x` is its input node.
    int input() const { return input_; }
    int conv2d(const std::string& name, int x, int64_t in, int64_t out, int64_t kernel,
               const Conv2dAttrs& attrs,
               FanOut fan_out = FanOut::all_groups);  // no bias: batch norm follows
    int batch_norm(const std::string& name, int x, int64_t channels, float eps = 1e-5f);
    int linear(const std::string& name, int x, int64_t in, int64_t out);
    // The same with weights uniform in +-bound and biases 0.
    int linear(const std::string& name, int x, int64_t in, int64_t out, double bound);
    int relu(const std::string& name, int x);
    int relu6(const std::string& name, int x);
    int add(const std::string& name, int a, int b);
    int concat(const std::string& name, const std::vector<int>& inputs);
    int max_pool2d(const std::string& name, int x, const PoolAttrs& attrs);
    int average_pool2d(const std::string& name, int x, const PoolAttrs& attrs);
    int global_average_pool(const std::string& name, int x);
    int flatten(const std::string& name, int x);
    int dropout(const std::string& name, int x, double p);

    // The finished graph with the output `output`.
    Graph finish(int output);

  private:
    int parameter(const std::string& name, Tensor value, bool trainable = true);

    Graph graph_;
    Rng rng_;
    int input_;
};

// A square window with equal padding on all sides.
Conv2dAttrs square_conv(int64_t stride, int64_t pad, int64_t groups = 1);
// TensorFlow's SAME for an input of h x w: ceil(h / stride) outputs, and the odd pixel of padding
// at the bottom and at the right (tf.nn.convolution).
Conv2dAttrs same_conv(int64_t h, int64_t w, int64_t kernel, int64_t stride, int64_t groups = 1);
PoolAttrs square_pool(int64_t kernel, int64_t stride, int64_t pad);

}  // namespace gradus
