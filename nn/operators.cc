#include "nn/operators.h"

#include <map>

#include "autograd/ops.h"
#include "nn/node_attributes.h"
#include "tensor/check.h"

namespace gradus {

namespace {

std::map<std::string, OperatorRow>& table() {
    static std::map<std::string, OperatorRow> rows;
    return rows;
}

using Inputs = std::vector<Variable>;

Variable optional_input(const Inputs& in, size_t index) {
    return index < in.size() ? in[index] : Variable();
}

float real(const OpContext& c, const char* name) {
    return static_cast<float>(c.node.attributes.real(name));
}

// A frozen batch norm uses its running statistics in training too.
bool uses_batch_statistics(const OpContext& c) {
    return c.training && !c.node.attributes.has("frozen");
}

BatchNormAttrs batch_norm_attrs(const Node& node) {
    return {static_cast<float>(node.attributes.real("eps")),
            static_cast<float>(node.attributes.real("momentum"))};
}

Variable run_conv2d(const OpContext& c, const Inputs& in) {
    return conv2d(in[0], in[1], optional_input(in, 2), conv2d_attrs(c.node.attributes),
                  codes_output(c.node.attributes), accumulator_policy(c.node.attributes));
}
Variable run_linear(const OpContext& c, const Inputs& in) {
    return linear(in[0], in[1], optional_input(in, 2), codes_output(c.node.attributes),
                  accumulator_policy(c.node.attributes));
}
Variable run_batch_norm(const OpContext& c, const Inputs& in) {
    return batch_norm(in[0], in[1], in[2], in[3].data(), in[4].data(), batch_norm_attrs(c.node),
                      uses_batch_statistics(c));
}
Variable run_batch_norm_scale(const OpContext& c, const Inputs& in) {
    return batch_norm_scale(in[0], in[1], real(c, "eps"));
}
Variable run_batch_norm_bias(const OpContext&, const Inputs& in) {
    return batch_norm_bias(in[0], in[1], in[2], optional_input(in, 3));
}
Variable run_batch_mean(const OpContext& c, const Inputs& in) {
    return batch_mean(in[0], in[1].data(), real(c, "momentum"), c.training);
}
Variable run_batch_variance(const OpContext& c, const Inputs& in) {
    return batch_variance(in[0], in[1].data(), real(c, "momentum"), c.training);
}
Variable run_deviation_ratio(const OpContext& c, const Inputs& in) {
    return deviation_ratio(in[0].data(), in[1], real(c, "eps"));
}
Variable run_multiply_axis(const OpContext& c, const Inputs& in) {
    return multiply_axis(in[0], in[1], static_cast<int>(c.node.attributes.integer("axis")));
}
Variable run_divide_axis(const OpContext& c, const Inputs& in) {
    return divide_axis(in[0], in[1], static_cast<int>(c.node.attributes.integer("axis")));
}
Variable run_add_axis(const OpContext& c, const Inputs& in) {
    return add_axis(in[0], in[1], static_cast<int>(c.node.attributes.integer("axis")));
}
Variable run_relu(const OpContext&, const Inputs& in) {
    return relu(in[0]);
}
Variable run_relu6(const OpContext&, const Inputs& in) {
    return relu6(in[0]);
}
Variable run_add(const OpContext&, const Inputs& in) {
    return add(in[0], in[1]);
}
Variable run_concat(const OpContext&, const Inputs& in) {
    return concat(in);
}
Variable run_max_pool2d(const OpContext& c, const Inputs& in) {
    return max_pool2d(in[0], pool_attrs(c.node.attributes));
}
Variable run_average_pool2d(const OpContext& c, const Inputs& in) {
    return average_pool2d(in[0], pool_attrs(c.node.attributes));
}
Variable run_global_average_pool(const OpContext&, const Inputs& in) {
    return global_average_pool(in[0]);
}
Variable run_flatten(const OpContext&, const Inputs& in) {
    return flatten(in[0]);
}
Variable run_dropout(const OpContext& c, const Inputs& in) {
    return dropout(in[0], static_cast<float>(c.node.attributes.real("p")), c.rng, c.training);
}

const OperatorRow float_rows[] = {
    {"conv2d", run_conv2d, "rounded; exact on codes"},
    {"linear", run_linear, "rounded; exact on codes"},
    {"batch_norm", run_batch_norm, "rounded; exact in evaluation"},
    {"batch_norm_scale", run_batch_norm_scale, "exact"},
    {"batch_norm_bias", run_batch_norm_bias, "exact"},
    {"batch_mean", run_batch_mean, "rounded; exact in evaluation"},
    {"batch_variance", run_batch_variance, "rounded; exact in evaluation"},
    {"deviation_ratio", run_deviation_ratio, "exact"},
    {"multiply_axis", run_multiply_axis, "exact"},
    {"divide_axis", run_divide_axis, "exact"},
    {"add_axis", run_add_axis, "exact"},
    {"relu", run_relu, "exact"},
    {"relu6", run_relu6, "exact"},
    {"add", run_add, "exact"},
    {"concat", run_concat, "exact"},
    {"max_pool2d", run_max_pool2d, "exact"},
    {"average_pool2d", run_average_pool2d, "exact"},
    {"global_average_pool", run_global_average_pool, "rounded; exact on codes"},
    {"flatten", run_flatten, "exact"},
    {"dropout", run_dropout, "exact"},
};

const struct FloatOperators {
    FloatOperators() {
        for (const OperatorRow& row : float_rows) OperatorEntry{row};
    }
} float_operators;

}  // namespace

OperatorEntry::OperatorEntry(const OperatorRow& row) {
    table().emplace(row.op, row);
}

std::vector<OperatorRow> operators() {
    std::vector<OperatorRow> rows;
    for (const auto& [name, row] : table()) rows.push_back(row);
    return rows;
}

const OperatorRow& find_operator(const std::string& op) {
    const auto found = table().find(op);
    if (found == table().end()) {
        std::string names;
        for (const auto& [name, row] : table()) names += " " + name;
        fail(ErrorKind::runtime, "no operator is called ", op, "; there are:", names);
    }
    return found->second;
}

}  // namespace gradus
