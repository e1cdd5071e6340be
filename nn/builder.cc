#include "nn/builder.h"

#include <algorithm>

#include "nn/node_attributes.h"

namespace gradus {

GraphBuilder::GraphBuilder(const Shape& sample_shape, const Rng& rng)
    : rng_(rng), input_(graph_.add_input("input", sample_shape)) {}

int GraphBuilder::parameter(const std::string& name, Tensor value, bool trainable) {
    auto parameter = std::make_shared<Parameter>();
    parameter->name = name;
    parameter->value = std::move(value);
    parameter->trainable = trainable;
    return graph_.add_parameter(std::move(parameter));
}

int GraphBuilder::conv2d(const std::string& name, int x, int64_t in, int64_t out, int64_t kernel,
                         const Conv2dAttrs& attrs, FanOut fan_out) {
    const Shape shape{out, kernel, kernel, in / attrs.groups};
    const std::string weight = name + ".weight";
    const int64_t groups = fan_out == FanOut::one_group ? attrs.groups : 1;
    const int w = parameter(weight, kaiming_fan_out(shape, rng_.split(weight), groups));
    return graph_.add_op("conv2d", name, {x, w}, attributes_of(attrs));
}

int GraphBuilder::batch_norm(const std::string& name, int x, int64_t channels, float eps) {
    const Shape shape{channels};
    const int gamma = parameter(name + ".weight", Tensor::full(shape, 1.0f));
    const int beta = parameter(name + ".bias", Tensor::full(shape, 0.0f));
    const int mean = parameter(name + ".running_mean", Tensor::full(shape, 0.0f), false);
    const int var = parameter(name + ".running_var", Tensor::full(shape, 1.0f), false);
    return graph_.add_op("batch_norm", name, {x, gamma, beta, mean, var},
                         {{"eps", static_cast<double>(eps)}, {"momentum", 0.1}});
}

int GraphBuilder::linear(const std::string& name, int x, int64_t in, int64_t out) {
    const std::string weight = name + ".weight";
    const std::string bias = name + ".bias";
    const int w = parameter(weight, uniform_fan_in({out, in}, in, rng_.split(weight)));
    const int b = parameter(bias, uniform_fan_in({out}, in, rng_.split(bias)));
    return graph_.add_op("linear", name, {x, w, b});
}

int GraphBuilder::linear(const std::string& name, int x, int64_t in, int64_t out, double bound) {
    const std::string weight = name + ".weight";
    const int w = parameter(weight, uniform_within({out, in}, bound, rng_.split(weight)));
    const int b = parameter(name + ".bias", Tensor::zeros({out}));
    return graph_.add_op("linear", name, {x, w, b});
}

int GraphBuilder::relu(const std::string& name, int x) {
    return graph_.add_op("relu", name, {x});
}
int GraphBuilder::relu6(const std::string& name, int x) {
    return graph_.add_op("relu6", name, {x});
}
int GraphBuilder::concat(const std::string& name, const std::vector<int>& inputs) {
    return graph_.add_op("concat", name, inputs);
}

int GraphBuilder::add(const std::string& name, int a, int b) {
    return graph_.add_op("add", name, {a, b});
}
int GraphBuilder::max_pool2d(const std::string& name, int x, const PoolAttrs& attrs) {
    return graph_.add_op("max_pool2d", name, {x}, attributes_of(attrs));
}
int GraphBuilder::average_pool2d(const std::string& name, int x, const PoolAttrs& attrs) {
    return graph_.add_op("average_pool2d", name, {x}, attributes_of(attrs));
}
int GraphBuilder::global_average_pool(const std::string& name, int x) {
    return graph_.add_op("global_average_pool", name, {x});
}
int GraphBuilder::flatten(const std::string& name, int x) {
    return graph_.add_op("flatten", name, {x});
}
int GraphBuilder::dropout(const std::string& name, int x, double p) {
    return graph_.add_op("dropout", name, {x}, {{"p", p}});
}

Graph GraphBuilder::finish(int output) {
    graph_.set_output(output);
    return std::move(graph_);
}

Conv2dAttrs square_conv(int64_t stride, int64_t pad, int64_t groups) {
    return {stride, stride, pad, pad, pad, pad, groups};
}

Conv2dAttrs same_conv(int64_t h, int64_t w, int64_t kernel, int64_t stride, int64_t groups) {
    const auto total = [&](int64_t in) {
        const int64_t out = (in + stride - 1) / stride;
        return std::max<int64_t>((out - 1) * stride + kernel - in, 0);
    };
    const int64_t top = total(h) / 2, left = total(w) / 2;
    return {stride, stride, top, left, total(h) - top, total(w) - left, groups};
}

PoolAttrs square_pool(int64_t kernel, int64_t stride, int64_t pad) {
    return {kernel, kernel, stride, stride, pad, pad, pad, pad, true};
}

}  // namespace gradus
