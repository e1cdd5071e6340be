// optimizer -- SGD and AdamW over the parameters of a graph, against PyTorch.
#include "nn/optimizer.h"

#include <boost/test/unit_test.hpp>

#include "tests/compare.h"
#include "tests/files.h"

using namespace gradus;

namespace {

constexpr float kRates[] = {0.1f, 0.05f, 0.2f};  // as in tests/golden/make_optimizer.py

OptimizerOptions sgd() {
    OptimizerOptions options;
    options.weight_decay = 0.01f;
    return options;
}

OptimizerOptions adamw() {
    OptimizerOptions options;
    options.kind = "adamw";
    options.momentum = 0.8f;
    options.beta2 = 0.99f;
    options.eps = 1e-6f;
    options.weight_decay = 0.1f;
    return options;
}

std::shared_ptr<Parameter> parameter(const std::string& name, const Tensor& value) {
    auto result = std::make_shared<Parameter>();
    result->name = name;
    result->value = value.clone();
    return result;
}

Tensor row(const Tensor& x, int64_t index) {
    const int64_t n = x.shape()[1];
    const float* from = x.data<float>() + index * n;
    return Tensor::from(std::vector<float>(from, from + n), {n});
}

// The two parameters of a golden case with their gradients.
struct Problem {
    std::string folder;
    std::shared_ptr<Parameter> weight, bias;

    explicit Problem(const std::string& name)
        : folder("optimizer/" + name + "/"),
          weight(parameter("weight", golden(folder + "weight_before"))),
          bias(parameter("bias", golden(folder + "bias_before"))) {
        bias->decay = false;
        bias->lr_multiplier = 0.5f;
    }

    void step(Optimizer& optimizer, int64_t t) const {
        Execution run;
        for (const auto& p : {weight, bias}) {
            const Variable leaf(p->value, true);
            backward_from(leaf, row(golden(folder + p->name + "_grads"), t));
            run.leaves[p] = leaf;
        }
        optimizer.step(run, kRates[t]);
    }
};

void check_golden(const std::string& name, const OptimizerOptions& options) {
    const Problem problem(name);
    Optimizer optimizer(options);
    for (int64_t t = 0; t < 3; ++t) {
        problem.step(optimizer, t);
        for (const auto& p : {problem.weight, problem.bias}) {
            BOOST_TEST(close(p->value, row(golden(problem.folder + p->name + "_after"), t), 1e-6),
                       name << ' ' << p->name << " step " << t);
        }
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(optimizer, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(golden_groups) {
    check_golden("sgd", sgd());
    check_golden("adamw", adamw());
}

BOOST_AUTO_TEST_CASE(by_hand) {
    OptimizerOptions options;
    options.momentum = 0.5f;
    options.nesterov = false;
    options.weight_decay = 0.25f;
    Optimizer optimizer(options);
    const auto w = parameter("w", Tensor::full({1}, 2.0f));
    for (int t = 0; t < 2; ++t) {
        Execution run;
        run.leaves[w] = Variable(w->value, true);
        backward_from(run.leaves[w], Tensor::full({1}, 1.0f));
        optimizer.step(run, 0.5f);
        // g = 1 + w/4: 1.5, then 1.3125; m: 1.5, then 2.0625; w: 1.25, then 0.21875
        BOOST_TEST(w->value.data<float>()[0] == (t == 0 ? 1.25f : 0.21875f));
    }
}

// Each of the two settings alone has the effect of PyTorch's parameter groups.
BOOST_AUTO_TEST_CASE(decay_and_rate_are_per_parameter) {
    for (const OptimizerOptions& options : {sgd(), adamw()}) {
        const Problem right(options.kind), decayed(options.kind), fast(options.kind);
        decayed.bias->decay = true;
        fast.bias->lr_multiplier = 1.0f;
        for (const Problem* problem : {&right, &decayed, &fast}) {
            Optimizer optimizer(options);
            problem->step(optimizer, 0);
        }
        BOOST_TEST(same_bits(right.weight->value, decayed.weight->value));
        BOOST_TEST(!same_bits(right.bias->value, decayed.bias->value));
        BOOST_TEST(!same_bits(right.bias->value, fast.bias->value));
    }
}

BOOST_AUTO_TEST_CASE(a_parameter_without_a_gradient_stays) {
    Optimizer optimizer(sgd());
    const auto w = parameter("w", Tensor::full({2}, 3.0f));
    Execution run;
    run.leaves[w] = Variable(w->value, true);
    optimizer.step(run, 0.1f);
    BOOST_TEST(same_bits(w->value, Tensor::full({2}, 3.0f)));
    BOOST_TEST(optimizer.export_state().size() == 1);  // the step count alone
}

BOOST_AUTO_TEST_CASE(state_goes_out_and_in_again) {
    for (const OptimizerOptions& options : {sgd(), adamw()}) {
        const Problem whole(options.kind), halves(options.kind);
        Optimizer one(options), first(options), second(options);
        for (int64_t t = 0; t < 3; ++t) whole.step(one, t);
        halves.step(first, 0);
        halves.step(first, 1);
        std::map<std::string, Tensor> state;  // as from a file: nothing shared
        for (const auto& [name, tensor] : first.export_state()) state[name] = tensor.clone();
        BOOST_TEST(state.size() == (options.kind == "sgd" ? 3u : 5u));
        BOOST_TEST(state.count("weight.momentum") == 1);
        second.import_state(state);
        halves.step(second, 2);
        BOOST_TEST(same_bits(whole.weight->value, halves.weight->value));
        BOOST_TEST(same_bits(whole.bias->value, halves.bias->value));
    }
}

BOOST_AUTO_TEST_CASE(mistakes_are_named) {
    OptimizerOptions options;
    options.kind = "adam";
    BOOST_TEST(throws(ErrorKind::usage, {"adam", "sgd", "adamw"}, [&] { Optimizer o(options); }));
    BOOST_TEST(
        throws(ErrorKind::runtime, {"step count"}, [] { Optimizer(sgd()).import_state({}); }));
}

BOOST_AUTO_TEST_SUITE_END()
