// accumulators -- observed accumulators equal those of the codes, and stay within the static bound.
#include "integer/accumulators.h"

#include <boost/test/unit_test.hpp>
#include <map>

#include "integer/execute.h"
#include "integer/lower.h"
#include "integer/register_grids.h"
#include "nn/node_attributes.h"
#include "tests/compare.h"
#include "tests/files.h"
#include "tests/small_network.h"

using namespace gradus;

namespace {

const QuantizedModel& model_on(const std::string& hardware) {
    static std::map<std::string, QuantizedModel> models;
    if (!models.count(hardware)) {
        models[hardware] = small_quantized(hardware, Simulate::exact, hardware == "tvm" ? 8 : 4);
    }
    return models.at(hardware);
}

int32_t integer_at(const Instruction& i, const char* name, int64_t at) {
    const auto found = i.constants.find(name);
    if (found == i.constants.end()) return 0;
    return found->second.data<int32_t>()[found->second.numel() == 1 ? 0 : at];
}

// One accumulator of a convolution without groups, by the formula.
int64_t accumulator(const Instruction& i, const Tensor& x, int64_t n, int64_t oh, int64_t ow,
                    int64_t o) {
    const Conv2dAttrs a = conv2d_attrs(i.attributes);
    const Shape s = x.shape(), w = i.constants.at("weight").shape();
    const CodeReader xq(x), wq(i.constants.at("weight"));
    const int64_t zx = i.attributes.integer("input_zero_point");
    int64_t sum = integer_at(i, "bias", o);
    for (int64_t kh = 0; kh < w[1]; ++kh) {
        for (int64_t kw = 0; kw < w[2]; ++kw) {
            const int64_t h = oh * a.stride_h - a.pad_top + kh;
            const int64_t v = ow * a.stride_w - a.pad_left + kw;
            if (h < 0 || h >= s[1] || v < 0 || v >= s[2]) continue;
            for (int64_t c = 0; c < s[3]; ++c) {
                sum += (xq[((n * s[1] + h) * s[2] + v) * s[3] + c] - zx) *
                       (wq[((o * w[1] + kh) * w[2] + kw) * w[3] + c] -
                        integer_at(i, "weight_zero_point", o));
            }
        }
    }
    return sum;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(accumulators, *boost::unit_test::label("network"))

BOOST_AUTO_TEST_CASE(the_watch_shows_the_sums_of_the_codes) {
    for (const char* hardware : {"onnxruntime", "fbgemm", "tensorrt"}) {
        const Program program = lower(model_on(hardware));
        std::map<std::string, Tensor> seen;
        int convolutions = 0, wrong = 0;
        const Watch watch{
            [&](const Instruction& i, const Tensor& sums) { seen[i.name] = sums; },
            [&](const Instruction& i, const std::vector<Tensor>& inputs, const Tensor& output) {
                BOOST_TEST(inputs.size() == i.inputs.size());
                if (i.op != "conv2d") return;
                ++convolutions;
                const Tensor& sums = seen.at(i.name);
                BOOST_TEST(sums.shape() == output.shape());
                const Shape s = sums.shape();
                for (int64_t e = 0; e < sums.numel(); e += 7) {
                    const int64_t o = e % s[3], ow = e / s[3] % s[2];
                    const int64_t oh = e / s[3] / s[2] % s[1], n = e / s[3] / s[2] / s[1];
                    wrong += sums.data<int32_t>()[e] != accumulator(i, inputs[0], n, oh, ow, o);
                }
            }};
        const Tensor plain = execute(program, small_images(2), IntegerKernel::fastest);
        const Tensor watched =
            execute(program, small_images(2), IntegerKernel::fastest, nullptr, watch);
        BOOST_TEST(same_bits(plain, watched), hardware);
        BOOST_TEST(convolutions == 6, hardware);
        BOOST_TEST(wrong == 0, hardware);
        BOOST_TEST(seen.count("fc") == 1u);
        BOOST_TEST(seen.count("avgpool") == 1u);
    }
}

BOOST_AUTO_TEST_CASE(an_instruction_alone_gives_what_it_gave_in_the_program) {
    for (const char* hardware : {"onnxruntime", "tensorrt", "academic", "tvm"}) {
        const Program program = lower(model_on(hardware));
        Tensor sums;
        size_t steps = 0;
        execute(program, small_images(2), IntegerKernel::fastest, nullptr,
                {[&](const Instruction&, const Tensor& a) { sums = a; },
                 [&](const Instruction& i, const std::vector<Tensor>& inputs, const Tensor& y) {
                     Tensor again;
                     const Tensor alone =
                         execute(i, inputs, IntegerKernel::readable,
                                 [&](const Instruction&, const Tensor& a) { again = a; });
                     BOOST_TEST(same_bits(alone, y), hardware << ' ' << i.name);
                     BOOST_TEST(again.defined() == sums.defined(), i.name);
                     if (again.defined()) BOOST_TEST(same_bits(again, sums), i.name);
                     sums = Tensor();
                     ++steps;
                 }});
        BOOST_TEST(steps == program.instructions.size());
    }
}

namespace {

void check_bounds(const Program& program) {
    std::map<std::string, int64_t> bound;
    for (const AccumulatorBound& b : accumulator_bounds(program)) bound[b.layer] = b.bound;
    BOOST_TEST(bound.size() == 7u);
    execute(program, small_images(8), IntegerKernel::fastest, nullptr,
            {[&](const Instruction& i, const Tensor& sums) {
                 if (i.op != "conv2d" && i.op != "linear") return;
                 int64_t furthest = 0;
                 for (const int32_t a : sums.to_vector<int32_t>()) {
                     furthest = std::max(furthest, std::abs(int64_t{a}));
                 }
                 BOOST_TEST(furthest > 0);
                 BOOST_TEST(furthest <= bound.at(i.name), program.hardware << ' ' << i.name);
             },
             nullptr});
}

}  // namespace

BOOST_AUTO_TEST_CASE(no_accumulator_leaves_its_bound) {
    for (const char* hardware : {"onnxruntime", "tflite", "fbgemm", "snpe", "tvm"}) {
        check_bounds(lower(model_on(hardware)));
    }
}

// Two filters of two weights each: (3 - 1) and (-7 - 1), then (100 + 2) and (100 + 2).
Program two_filters(int32_t bias) {
    Instruction q, fc;
    q.name = "input", q.op = "quantize", q.inputs = {0}, q.output = 1;
    q.attributes = {{"lo", int64_t{0}}, {"hi", int64_t{15}}};
    fc.name = "fc", fc.op = "linear", fc.inputs = {1}, fc.output = 2;
    fc.attributes = {{"input_zero_point", int64_t{4}}};
    fc.constants["weight"] = Tensor::from<int8_t>({3, -7, 100, 100}, {2, 2});
    fc.constants["weight_zero_point"] = Tensor::from<int32_t>({1, -2}, {2});
    fc.constants["bias"] = Tensor::from<int32_t>({-50, bias}, {2});
    Program program;
    program.registers = 3;
    program.output = 2;
    program.instructions = {q, fc};
    return program;
}

BOOST_AUTO_TEST_CASE(the_bound_is_that_of_the_worst_codes_and_channel) {
    const AccumulatorBound b = accumulator_bounds(two_filters(-6)).at(0);
    BOOST_TEST(b.layer == "fc");
    BOOST_TEST(b.channel == 1);
    BOOST_TEST(b.bound == 11 * 204 + 6);
    refuse_overflow(two_filters(INT32_MAX - 11 * 204));
    refuse_overflow(two_filters(-(INT32_MAX - 11 * 204)));
    for (const int32_t bias : {INT32_MAX - 11 * 204 + 1, INT32_MIN}) {
        BOOST_TEST(throws(ErrorKind::runtime, {"fc: accumulators of channel 1 may reach"},
                          [&] { refuse_overflow(two_filters(bias)); }));
    }
}

// Codes 200 to 255 around 200 and weights 127, 127: exact sums reach 55 * 254 at most. The
// saturated one of the lowest codes is 32767 - 200 * 254 = -18033.
BOOST_AUTO_TEST_CASE(a_sum_that_saturates_may_leave_the_exact_bound) {
    Program program = two_filters(0);
    program.instructions[0].attributes = {{"lo", int64_t{200}}, {"hi", int64_t{255}}};
    Instruction& fc = program.instructions[1];
    fc.constants = {{"weight", Tensor::from<int8_t>({127, 127}, {1, 2})}};
    fc.attributes = {{"input_zero_point", int64_t{200}}};
    fc.constants["scale"] = Tensor::full({1}, 1.0f);
    BOOST_TEST(accumulator_bounds(program).at(0).bound == 55 * 254);
    fc.attributes.set("accumulator_policy", "pairs16");
    BOOST_TEST(accumulator_bounds(program).at(0).bound == (255 + 200) * 254);
    const Tensor lowest = Tensor::from<uint8_t>({200, 200}, {1, 2});
    BOOST_TEST(execute(fc, {lowest}, IntegerKernel::fastest).data<float>()[0] == -18033.0f);
}

// The scale of the weights is raised until bias and products fit (quant/bias_fit.h).
BOOST_AUTO_TEST_CASE(a_bias_of_any_size_leaves_room_for_the_products) {
    const QuantizedModel model = small_quantized("onnxruntime", Simulate::exact);
    const int beta = model.inference.find("block1.bn1.bias");
    BOOST_REQUIRE(beta >= 0);
    for (const float bias : {1e9f, -1e9f, 3e38f}) {
        model.inference.node(beta).parameter->value.data<float>()[3] = bias;
        const Program program = lower(model);
        for (const AccumulatorBound& b : accumulator_bounds(program)) {
            if (b.layer != "block1.conv1") continue;
            BOOST_TEST(b.channel == 3);
            BOOST_TEST(b.bound > kEndOfInt32 * 0.99);
            BOOST_TEST(b.bound < kEndOfInt32);
        }
    }
}

// Dequantized by the grid of its register, an activation is near the float the graph would have.
BOOST_AUTO_TEST_CASE(registers_lie_on_the_grids_of_their_quantizers) {
    const QuantizedModel& model = model_on("onnxruntime");
    const Program program = lower(model);
    const auto grids = register_grids(model, program);
    std::map<std::string, Tensor> values;
    execute(model.inference, small_images(2), RunMode{},
            [&](const Node& node, const Variable& v) { values[node.name] = v.data(); });
    int compared = 0;
    execute(program, small_images(2), IntegerKernel::fastest, nullptr,
            {nullptr, [&](const Instruction& i, const std::vector<Tensor>&, const Tensor& y) {
                 if (y.dtype() == DType::F32) {
                     BOOST_TEST(!grids[i.output].has_value());
                     return;
                 }
                 const RegisterGrid& g = *grids[i.output];
                 const auto found = values.find(i.quantizer.empty() ? i.name : i.quantizer);
                 if (found == values.end() || i.op == "global_average_pool") return;
                 ++compared;
                 const CodeReader q(y);
                 int wrong = 0;
                 for (int64_t e = 0; e < y.numel(); ++e) {
                     wrong += affine_value(q[e], g.zero_point, g.scale) !=
                              found->second.data<float>()[e];
                     wrong += q[e] < g.bounds.lo || q[e] > g.bounds.hi;
                 }
                 BOOST_TEST(wrong == 0, i.name);
             }});
    BOOST_TEST(compared >= 9);
    BOOST_TEST(weight_quantizer(model, "conv1")->name == "conv1.weight.quantizer");
    BOOST_TEST(weight_quantizer(model, "maxpool") == nullptr);
}

BOOST_AUTO_TEST_SUITE_END()
