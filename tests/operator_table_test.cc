// Every row of the operator table has a numeric gradient test and golden vectors, and meets them
// when called through the table. A new operator without them fails here.
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <set>

#include "nn/node_attributes.h"
#include "nn/operators.h"
#include "quant/hardware.h"
#include "quant/quantizer.h"
#include "tests/compare.h"

using namespace gradus;

namespace {

// A folder of golden vectors. Inputs named running_* are statistics, without a gradient.
struct GoldenCase {
    std::string folder;
    std::vector<std::string> inputs;
    Attributes attributes = {};
    bool training = true;
};

struct Coverage {
    const char* op;
    const char* gradient;  // the test case of its readable kernel's gradient
    std::vector<GoldenCase> golden;
    const char* instead = nullptr;  // why it has no vectors of its own
};

constexpr uint64_t kDropoutSeed = 12345;  // of its golden mask

const std::vector<std::string> kConv = {"x", "w", "bias"};
const std::vector<std::string> kBatchNorm = {"x", "gamma", "beta", "running_mean", "running_var"};
const Attributes kBatchNormAttributes = {{"eps", 1e-5}, {"momentum", 0.1}};

std::vector<Coverage> coverage() {
    return {
        {"add", "add/gradient_is_numeric", {{"add", {"a", "b"}}}},
        {"add_axis",
         "add_axis_operator/gradient_is_numeric",
         {{"add_axis/weights", {"x", "b"}, {{"axis", int64_t{0}}}},
          {"add_axis/activations", {"x", "b"}, {{"axis", int64_t{-1}}}}}},
        {"average_pool2d",
         "average_pool/gradient_is_numeric",
         {{"average_pool2d/padded", {"x"}, attributes_of({3, 3, 2, 2, 1, 1, 1, 1, true})},
          {"average_pool2d/valid", {"x"}, attributes_of({3, 2, 2, 1, 1, 1, 1, 1, false})},
          {"average_pool2d/uneven", {"x"}, attributes_of({2, 3, 1, 2, 1, 0, 0, 2, true})}}},
        {"batch_mean",
         "batch_statistics/gradient_is_numeric",
         {{"batch_mean", {"u", "running_mean"}, {{"momentum", 0.1}}}}},
        {"batch_norm",
         "batch_norm/gradient_is_numeric",
         {{"batch_norm/train", kBatchNorm, kBatchNormAttributes, true},
          {"batch_norm/eval", kBatchNorm, kBatchNormAttributes, false}}},
        {"batch_norm_bias",
         "batch_norm_fold/bias_gradient_is_numeric",
         {{"batch_norm_bias", {"beta", "running_mean", "scale", "bias"}},
          {"batch_norm_bias/batch", {"beta", "mean", "scale", "bias"}}}},
        {"batch_norm_scale",
         "batch_norm_fold/scale_gradient_is_numeric",
         {{"batch_norm_scale", {"gamma", "running_var"}, {{"eps", 1e-3}}},
          {"batch_norm_scale/batch", {"gamma", "var"}, {{"eps", 1e-3}}}}},
        {"batch_variance",
         "batch_statistics/gradient_is_numeric",
         {{"batch_variance", {"u", "running_var"}, {{"momentum", 0.1}}}}},
        {"concat", "concat/gradient_is_numeric", {{"concat", {"a", "b", "c"}}}},
        {"conv2d",
         "conv2d/readable_gradients_are_numeric",
         {{"conv2d/resnet", kConv, attributes_of(Conv2dAttrs{1, 1, 1, 1, 1, 1, 1})},
          {"conv2d/downsample", kConv, attributes_of(Conv2dAttrs{2, 2, 0, 0, 0, 0, 1})},
          {"conv2d/stem", kConv, attributes_of(Conv2dAttrs{2, 2, 3, 3, 3, 3, 1})},
          {"conv2d/uneven", kConv, attributes_of(Conv2dAttrs{2, 1, 0, 2, 1, 0, 1})},
          {"conv2d/grouped", kConv, attributes_of(Conv2dAttrs{1, 1, 1, 1, 1, 1, 4})},
          {"conv2d/depthwise", kConv, attributes_of(Conv2dAttrs{2, 2, 1, 1, 1, 1, 10})}}},
        {"deviation_ratio",
         "batch_norm_fold/ratio_gradient_is_numeric",
         {{"deviation_ratio", {"running_var", "batch_var"}, {{"eps", 1e-3}}}}},
        {"divide_axis",
         "axis_scale/gradient_is_numeric",
         {{"divide_axis/weights", {"x", "factor"}, {{"axis", int64_t{0}}}},
          {"divide_axis/activations", {"x", "factor"}, {{"axis", int64_t{-1}}}}}},
        {"drop_rounding",
         "soft_rounding/each_activation_is_rounded_or_not",
         {},
         "a choice between its inputs, bit for bit in the same test"},
        {"dropout", "dropout/gradient_is_numeric", {{"dropout", {"x"}, {{"p", 0.25}}}}},
        // Moves no numbers: its vectors cover it completely, forward and backward.
        {"flatten", "flatten/golden_forward_and_backward", {{"flatten", {"x"}}}},
        {"global_average_pool",
         "global_average_pool/gradient_is_numeric",
         {{"global_average_pool", {"x"}}}},
        // Runs the kernels of conv2d: see linear/is_a_convolution_of_one_pixel.
        {"linear", "conv2d/readable_gradients_are_numeric", {{"linear", kConv}}},
        {"max_pool2d",
         "max_pool/gradient_is_numeric",
         {{"max_pool2d/resnet", {"x"}, attributes_of({3, 3, 2, 2, 1, 1, 1, 1, true})},
          {"max_pool2d/uneven", {"x"}, attributes_of({2, 3, 1, 2, 1, 0, 0, 2, true})}}},
        {"multiply_axis",
         "axis_scale/gradient_is_numeric",
         {{"multiply_axis/weights", {"x", "factor"}, {{"axis", int64_t{0}}}},
          {"multiply_axis/activations", {"x", "factor"}, {{"axis", int64_t{-1}}}}}},
        {"quantize",
         "lsq/gradient_is_that_of_the_frozen_residual",
         {},
         "a step function: its vectors are those of its algorithm, in lsq/golden_signed"},
        {"quantize_bias",
         "operator_table/rounding_passes_the_gradient_on",
         {},
         "a step function: its values are in numerics/biases_round_to_even_and_saturate"},
        {"relu", "relu/gradient_is_numeric", {{"relu", {"x"}}}},
        {"relu6", "relu/gradient_is_numeric", {{"relu6", {"x"}}}},
        {"requantize_average",
         "operator_table/rounding_passes_the_gradient_on",
         {},
         "a step function: its vectors are onnxruntime's, in "
         "requantize/average_equals_onnxruntime"},
        {"soft_round",
         "soft_rounding/gradient_is_numeric",
         {},
         "needs a quantizer: soft_rounding/soft_round_equals_its_formula_forward_and_backward"},
    };
}

bool test_case_exists(const std::string& path) {
    namespace bt = boost::unit_test;
    const size_t slash = path.find('/');
    const bt::test_unit_id suite =
        bt::framework::master_test_suite().get(path.substr(0, slash).c_str());
    if (suite == bt::INV_TEST_UNIT_ID) return false;
    return bt::framework::get<bt::test_suite>(suite).get(path.substr(slash + 1).c_str()) !=
           bt::INV_TEST_UNIT_ID;
}

bool is_statistic(const std::string& input) {
    return input.rfind("running_", 0) == 0;
}

// Forward and backward of one folder, through the row alone. The tolerance detects a wrong
// attribute or order of inputs; the operators' own tests are strict.
void meets_golden(const OperatorRow& row, const GoldenCase& c) {
    Node node;
    node.name = node.op = row.op;
    node.attributes = c.attributes;
    std::vector<Variable> inputs;
    for (const std::string& name : c.inputs) {
        inputs.push_back(Variable(golden(c.folder + "/" + name), !is_statistic(name)));
    }
    const Variable y = row.run({node, c.training, Rng(kDropoutSeed)}, inputs);
    backward_from(y, golden(c.folder + "/dy"));
    BOOST_TEST(close(y.data(), golden(c.folder + "/y"), 3e-5), c.folder);
    for (size_t i = 0; i < inputs.size(); ++i) {
        if (is_statistic(c.inputs[i])) continue;
        BOOST_TEST(close(inputs[i].grad(), golden(c.folder + "/d" + c.inputs[i]), 3e-5),
                   c.folder << ", gradient of " << c.inputs[i]);
    }
}

std::shared_ptr<Quantizer> activation_quantizer() {
    auto q = std::make_shared<Quantizer>();
    q->name = "q";
    q->role = Role::activation;
    q->format = {8, false, false};
    q->algorithm = &find_algorithm("lsq");
    q->hardware = &find_hardware("onnxruntime");
    auto scale = std::make_shared<Parameter>();
    scale->name = "q.scale";
    scale->value = Tensor::full({1}, 0.5f);
    q->parameters = {scale};
    return q;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(operator_table, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(every_operator_is_covered) {
    std::set<std::string> covered;
    for (const Coverage& c : coverage()) {
        BOOST_TEST(covered.insert(c.op).second, c.op << " is listed twice");
        BOOST_TEST(test_case_exists(c.gradient), c.op << ": there is no test " << c.gradient);
        BOOST_TEST((c.golden.empty() == (c.instead != nullptr)), c.op << " has no golden vectors");
    }
    std::set<std::string> rows;
    for (const OperatorRow& row : operators()) rows.insert(row.op);
    BOOST_TEST(rows == covered, boost::test_tools::per_element());
    BOOST_TEST(!test_case_exists("relu/no_such_case"));
    BOOST_TEST(!test_case_exists("no_such_suite/gradient_is_numeric"));
}

BOOST_AUTO_TEST_CASE(every_row_meets_its_golden_vectors) {
    std::set<std::string> folders;
    for (const Coverage& c : coverage()) {
        for (const GoldenCase& g : c.golden) {
            meets_golden(find_operator(c.op), g);
            folders.insert(g.folder);
        }
        // Every folder of an operator is used.
        for (const auto& entry : std::filesystem::recursive_directory_iterator("tests/golden/")) {
            const std::string file = entry.path().string().substr(sizeof "tests/golden/" - 1);
            if (file.rfind(std::string(c.op) + "/", 0) != 0 || !file.ends_with("/y.npy")) continue;
            BOOST_TEST(folders.count(file.substr(0, file.size() - 6)) == 1, file);
        }
    }
}

BOOST_AUTO_TEST_CASE(every_row_states_its_exactness) {
    for (const OperatorRow& row : operators()) {
        const std::string text = row.exactness;
        BOOST_TEST((text.rfind("exact", 0) == 0 || text.rfind("rounded", 0) == 0), row.op);
    }
}

BOOST_AUTO_TEST_CASE(an_unknown_operator_is_refused_with_the_list) {
    BOOST_CHECK_EXCEPTION(find_operator("conv3d"), Error, [](const Error& error) {
        const std::string text = error.what();
        return text.find("conv3d") != std::string::npos && text.find("conv2d") != std::string::npos;
    });
}

BOOST_AUTO_TEST_CASE(rounding_passes_the_gradient_on) {
    Node node;
    node.name = "node";
    node.payload = activation_quantizer();
    const OpContext context{node, true, Rng(0)};
    const auto step = [&](const Variable& y, const Variable& x) {
        const Tensor dy = random_tensor(y.shape(), 5);
        backward_from(y, dy);
        BOOST_TEST(same_bits(x.grad(), dy.reshape(x.shape())));
    };

    const Variable bias(Tensor::from<float>({0.3f, -1.1f}, {2}), true);
    const Variable weight(Exact{{affine(random_codes<int8_t>({2, 1, 1, 3}, 1, -7, 7), 0.25f, 0)}});
    const Variable rounded = find_operator("quantize_bias").run(context, {bias, weight});
    BOOST_TEST(
        rounded.exact()->terms[0].codes.to_vector<int32_t>() == (std::vector<int32_t>{2, -9}),
        boost::test_tools::per_element());  // 0.3 / (0.5 * 0.25) = 2.4, -8.8
    step(rounded, bias);

    // The average of codes; another operator spreads its gradient to the pixels.
    const Variable codes(Exact{{affine(random_codes<uint8_t>({1, 2, 2, 3}, 2, 0, 255), 0.5f, 0)}});
    const Variable leaf(Tensor::zeros({1, 1, 1, 3}), true);
    const Variable pooled = find_operator("global_average_pool").run(context, {codes});
    const Variable sums =
        record("leaf_with_codes", pooled, {leaf}, [](const Tensor& dy) -> Grads { return {dy}; });
    const Variable average = find_operator("requantize_average").run(context, {sums});
    BOOST_TEST((average.exact()->terms[0].codes.dtype() == DType::U8));
    BOOST_TEST(average.exact()->terms[0].count == 1);
    step(average, leaf);
}

BOOST_AUTO_TEST_SUITE_END()
