// A network small enough for tests, with every kind of node that lowering knows: a stem with max
// pool, a residual block with a downsample, an identity block, average pool, linear.
#pragma once

#include "autograd/ops.h"
#include "nn/builder.h"
#include "nn/executor.h"
#include "nn/optimizer.h"
#include "quant/prepare.h"
#include "quant/ptq/subgraph.h"

namespace gradus {

inline Graph small_network(uint64_t seed = 1) {
    GraphBuilder g({12, 12, 1}, Rng(seed));
    const auto block = [&](const std::string& name, int x, int64_t in, int64_t out,
                           int64_t stride) {
        int y = g.conv2d(name + ".conv1", x, in, out, 3, square_conv(stride, 1));
        y = g.relu(name + ".relu1", g.batch_norm(name + ".bn1", y, out));
        y = g.batch_norm(name + ".bn2",
                         g.conv2d(name + ".conv2", y, out, out, 3, square_conv(1, 1)), out);
        int shortcut = x;
        if (stride != 1) {
            shortcut = g.conv2d(name + ".downsample.0", x, in, out, 1, square_conv(stride, 0));
            shortcut = g.batch_norm(name + ".downsample.1", shortcut, out);
        }
        return g.relu(name + ".relu2", g.add(name + ".add", y, shortcut));
    };
    int x = g.conv2d("conv1", g.input(), 1, 8, 3, square_conv(1, 1));
    x = g.relu("relu", g.batch_norm("bn1", x, 8));
    x = g.max_pool2d("maxpool", x, square_pool(3, 2, 1));
    x = block("block1", x, 8, 8, 1);
    x = block("block2", x, 8, 16, 2);
    x = g.flatten("flatten", g.global_average_pool("avgpool", x));
    return g.finish(g.linear("fc", x, 16, 5));
}

// The same network with a bias in every convolution.
inline Graph with_conv_biases(const Graph& network) {
    Graph out;
    std::vector<int> map;
    for (const Node& node : network.nodes()) {
        std::vector<int> inputs;
        for (int input : node.inputs) inputs.push_back(map[input]);
        if (node.op == "conv2d") {
            auto bias = std::make_shared<Parameter>();
            bias->name = node.name + ".bias";
            bias->value = Tensor::empty({network.node(node.inputs[1]).parameter->value.shape()[0]});
            for (int64_t c = 0; c < bias->value.numel(); ++c) {
                bias->value.data<float>()[c] = Rng(7).split(node.name).uniform(c) - 0.5f;
            }
            inputs.push_back(out.add_parameter(bias));
        }
        map.push_back(copy_node(out, node, inputs));
    }
    out.set_output(map[network.output()]);
    return out;
}

inline Tensor small_images(int64_t count, uint64_t seed = 9) {
    Tensor images = Tensor::empty({count, 12, 12, 1});
    for (int64_t i = 0; i < images.numel(); ++i) {
        images.data<float>()[i] = 3.0f * Rng(seed).uniform(i) - 1.0f;
    }
    return images;
}

// Trains a few steps, so that statistics, scales and zero points have changed.
inline void train_a_little(const Graph& graph, int steps, float lr = 0.05f) {
    Optimizer optimizer{OptimizerOptions{}};
    for (int step = 0; step < steps; ++step) {
        const Tensor images = small_images(16, 100 + step);
        Tensor labels = Tensor::empty({16}, DType::I64);
        for (int64_t i = 0; i < 16; ++i) labels.data<int64_t>()[i] = (i + step) % 5;
        const Execution run = execute(graph, images, RunMode{true, true, uint64_t(step), 1});
        const Variable loss = softmax_cross_entropy(run.output, labels, 0.1f);
        backward(loss);
        optimizer.step(run, lr);
    }
}

// Trains briefly in float, calibrates, and trains briefly with quantization on.
inline QuantizedModel small_quantized(const Recipe& recipe, int steps = 4,
                                      const Graph& network = small_network()) {
    train_a_little(network, 4);
    QuantizedModel model = quantize(network, recipe);
    calibrate(model, small_images(32));
    train_a_little(model.training, steps, 0.02f);
    return model;
}

inline QuantizedModel small_quantized(const std::string& hardware, Simulate simulate,
                                      int bits = 4) {
    Recipe recipe;
    recipe.hardware = hardware;
    recipe.simulate = simulate;
    recipe.weight_bits = recipe.activation_bits = bits;
    return small_quantized(recipe);
}

}  // namespace gradus
