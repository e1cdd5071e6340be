// The trainer's reports about quantizers: scales that fall to zero, parameters that are not finite,
// values and gradients in the metrics; separate rates and decay; and the state that a checkpoint
// restores.
#include <boost/test/unit_test.hpp>
#include <cfloat>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "run/train/options.h"
#include "tests/training_process.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(divergence, *boost::unit_test::label("network"))

namespace {

Recipe recipe_of(const std::string& algorithm, const std::string& hardware = "academic") {
    Recipe recipe;
    recipe.hardware = hardware;
    recipe.algorithm = algorithm;
    // onnxruntime's activations have zero points, its weights a scale for each channel.
    if (find_algorithm(algorithm).not_deployable) recipe.simulate = Simulate::qdq;
    return recipe;
}

std::unique_ptr<Process> process_of(const std::string& algorithm, const TemporaryFolder& folder,
                                    const std::string& hardware = "academic") {
    return started(std::optional<Recipe>(recipe_of(algorithm, hardware)), folder);
}

PhaseSettings quantized_settings(int64_t steps) {
    PhaseSettings settings = Process::settings();
    settings.name = "quantized";
    settings.max_steps = steps;
    settings.log_interval = 1;
    return settings;
}

Parameter& parameter(const Process& process, const std::string& quantizer, const char* suffix) {
    for (const auto& q : process.model->quantizers) {
        if (q->name == quantizer) return q->parameter(suffix);
    }
    fail(ErrorKind::runtime, "test: no quantizer is called ", quantizer);
}

// Makes the next step move that element of the parameter by `momentum` times the rate.
void push(Process& process, const Parameter& p, int64_t element, float momentum) {
    auto state = process.optimizer.export_state();
    Tensor pushed = Tensor::zeros(p.value.shape());
    pushed.data<float>()[element] = momentum;
    state[p.name + ".momentum"] = pushed;
    process.optimizer.import_state(state);
}

int count(const std::string& text, const std::string& part) {
    int found = 0;
    for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
        ++found;
    return found;
}

// The objects of metrics.jsonl.
std::vector<nlohmann::json> intervals(const TemporaryFolder& folder) {
    std::istringstream lines(read_bytes(folder.path("metrics.jsonl")));
    std::vector<nlohmann::json> all;
    for (std::string line; std::getline(lines, line);) all.push_back(nlohmann::json::parse(line));
    return all;
}

std::vector<std::string> names_of(const std::vector<std::shared_ptr<Parameter>>& parameters) {
    std::vector<std::string> names;
    for (const auto& p : parameters) names.push_back(p->name);
    return names;
}

}  // namespace

// Reported once, with name, channel and step; then only counted.
BOOST_AUTO_TEST_CASE(a_scale_that_falls_below_zero_is_reported_once) {
    const TemporaryFolder folder;
    const auto process = process_of("lsq", folder, "onnxruntime");
    Parameter& scale = parameter(*process, "block2.conv1.weight.quantizer", "scale");
    BOOST_REQUIRE(scale.value.numel() == 16);
    push(*process, scale, 3, 100.0f);
    process->train(quantized_settings(5));
    const std::string screen = process->screen.str();
    const std::string name = "block2.conv1.weight.quantizer.scale";
    BOOST_TEST(count(screen, "warning: " + name + "[3] is -") == 1, screen);
    BOOST_TEST(count(screen, " after quantized step 1; its magnitude is used") == 1, screen);
    BOOST_TEST(count(screen, "warning: " + name + " was at or below zero after ") == 1, screen);
    BOOST_TEST(count(screen, "warning: ") == 2, screen);
    BOOST_TEST(process->position.step == 5);
}

// One line covers all of them.
BOOST_AUTO_TEST_CASE(scales_that_fall_together_are_reported_together) {
    const TemporaryFolder folder;
    const auto process = process_of("lsq", folder);
    for (const char* quantizer :
         {"block2.conv1.weight.quantizer", "block2.conv1.input.quantizer"}) {
        push(*process, parameter(*process, quantizer, "scale"), 0, 100.0f);
    }
    process->train(quantized_settings(5));
    const std::string screen = process->screen.str();
    BOOST_TEST(count(screen, "its magnitude is used, as that of 1 more. A lower --lr") == 1,
               screen);
    BOOST_TEST(count(screen, " quantized steps so far; 1 more at times") == 1, screen);
    BOOST_TEST(count(screen, "warning: ") == 2, screen);
}

// A scale of any size gives finite codes, and so a finite loss.
BOOST_AUTO_TEST_CASE(a_scale_beyond_a_million_ends_the_run) {
    for (const float explosion : {2e6f, -2e6f}) {
        const TemporaryFolder folder;
        const auto process = process_of("lsq", folder);
        Parameter& scale = parameter(*process, "block2.conv1.input.quantizer", "scale");
        scale.value.data<float>()[0] = explosion;
        BOOST_TEST(
            throws(ErrorKind::diverged,
                   {join("diverged: ", scale.name, " is ", explosion, " at quantized step 0"),
                    "a lower --lr"},
                   [&] { process->train(quantized_settings(3)); }));
        scale.value.data<float>()[0] = explosion / 4;
        process->train(quantized_settings(1));
    }
}

BOOST_AUTO_TEST_CASE(a_scale_of_zero_is_reported) {
    const TemporaryFolder folder;
    const auto process = process_of("lsq", folder);
    parameter(*process, "block2.conv1.weight.quantizer", "scale").value.data<float>()[0] = 0.0f;
    process->train(quantized_settings(1));
    BOOST_TEST(count(process->screen.str(),
                     "warning: block2.conv1.weight.quantizer.scale is 0 "
                     "after quantized step 0; its magnitude is used") == 1,
               process->screen.str());
}

// Parameters that must be positive; the others may have either sign.
BOOST_AUTO_TEST_CASE(each_algorithm_reports_what_must_be_positive) {
    struct Case {
        const char *algorithm, *suffix;
        bool reported;
    };
    for (const Case& c :
         {Case{"lsq", "scale", true}, Case{"lsq+", "scale", true}, Case{"pact", "alpha", true},
          Case{"qil", "width", true}, Case{"qil", "center", false}, Case{"apot", "alpha", true},
          Case{"tqt", "log2_threshold", false}}) {
        const TemporaryFolder folder;
        const auto process = process_of(c.algorithm, folder);
        const Parameter& p = parameter(*process, "block2.conv1.input.quantizer", c.suffix);
        push(*process, p, 0, 1000.0f);
        process->train(quantized_settings(1));
        BOOST_TEST(p.value.data<float>()[0] < 0.0f, c.algorithm << ' ' << c.suffix);
        BOOST_TEST(count(process->screen.str(), join("warning: ", p.name, " is -")) == c.reported,
                   c.algorithm << ' ' << c.suffix);
    }
}

BOOST_AUTO_TEST_CASE(a_learned_parameter_that_is_not_finite_ends_the_run) {
    for (const char* algorithm : {"lsq", "lsq+", "pact", "qil", "apot", "tqt"}) {
        for (const float bad : {NAN, INFINITY}) {
            const TemporaryFolder folder;
            const auto process = process_of(algorithm, folder);
            const Parameter& p = *learned_parameters(*process->model).at(3);
            push(*process, p, 0, bad);
            BOOST_TEST(throws(ErrorKind::diverged,
                              {p.name + " is not finite at quantized step 1", "a lower --lr"},
                              [&] { process->train(quantized_settings(3)); }),
                       algorithm);
            BOOST_TEST(process->position.step == 1);
        }
    }
}

// minmax and dorefa keep their scales, so only sizes show the divergence.
BOOST_AUTO_TEST_CASE(no_algorithm_survives_a_rate_out_of_all_bounds) {
    for (const Algorithm& row : algorithms()) {
        for (const double rate : {1e4, 1e30}) {
            const TemporaryFolder folder;
            const auto process = process_of(row.name, folder);
            PhaseSettings settings = quantized_settings(15);
            settings.lr = rate;
            BOOST_TEST(throws(ErrorKind::diverged,
                              {"diverged", "quantized step ", join("a lower --lr than ", rate)},
                              [&] { process->train(settings); }),
                       row.name << ' ' << rate);
        }
    }
}

// Every kind of parameter, small and large, just below its limit and above it.
BOOST_AUTO_TEST_CASE(what_grows_out_of_all_proportion_ends_the_run) {
    struct Case {
        const char* name;
        float allowed, refused;
    };
    for (const Case& c :
         {Case{"conv1.weight", 900, 1100}, Case{"block2.conv1.weight", 900, -1100},
          Case{"bn1.weight", 900, 1100}, Case{"bn1.bias", -900, 1100},
          Case{"bn1.running_mean", 9e6f, -1.1e7f}, Case{"bn1.running_var", 0.9e14f, 2e14f}}) {
        const auto train_with = [&](float value) {
            const TemporaryFolder folder;
            const auto process = process_of("minmax", folder);
            PhaseSettings settings = quantized_settings(1);
            settings.lr = 1e-6;
            process->train(settings);
            settings.max_steps = 2;
            const Graph& g = process->graph();
            g.node(g.find(c.name)).parameter->value.data<float>()[0] = value;
            process->train(settings);
        };
        BOOST_TEST_CONTEXT(c.name) {
            BOOST_CHECK_NO_THROW(train_with(c.allowed));
        }
        BOOST_TEST(throws(ErrorKind::diverged,
                          {join("diverged: ", c.name, "[0] is "), " at quantized step 1, the ",
                           "largest at the start of the phase was ", "a lower --lr"},
                          [&] { train_with(c.refused); }),
                   c.name);
    }
}

// Limits are relative: a network with large initial values may keep them.
BOOST_AUTO_TEST_CASE(limits_are_relative_to_the_start_of_the_phase) {
    Parameter weight;
    weight.name = "conv1.weight";
    const PhaseStart start{{{"conv1.weight", 4.0f}}, 3.0};
    BOOST_TEST(largest_allowed(weight, start) == 4000.0f);
    BOOST_TEST(largest_allowed(weight, {}) == 1000.0f);
    weight.name = "bn1.running_var";
    BOOST_TEST(largest_allowed(weight, {{{"bn1.running_var", 1e30f}}, 0}) == FLT_MAX);
    BOOST_TEST(!loss_diverged(29.0, start));
    BOOST_TEST(loss_diverged(31.0, start));
    BOOST_TEST(loss_diverged(NAN, start));
    BOOST_TEST(!loss_diverged(9.0, {{}, 0.01}));
}

// fc's weights can make the loss arbitrarily large while far below their own limit.
BOOST_AUTO_TEST_CASE(a_loss_out_of_all_proportion_ends_the_run) {
    const TemporaryFolder folder;
    const auto process = process_of("minmax", folder);
    process->train(quantized_settings(1));
    process->position.loss_sum += 1e6;
    PhaseSettings settings = quantized_settings(2);
    settings.lr = 1e-6;
    BOOST_TEST(throws(ErrorKind::diverged,
                      {"diverged: the loss of this epoch is ", " at quantized step 2, ",
                       "at the start of the phase it was ", "a lower --lr"},
                      [&] { process->train(settings); }));
}

// A resumed run measures from the original start.
BOOST_AUTO_TEST_CASE(the_start_of_a_phase_goes_with_the_checkpoint) {
    const TemporaryFolder folder;
    const auto process = process_of("minmax", folder);
    process->train(quantized_settings(3));
    BOOST_TEST(process->position.start.loss > 0.0);
    Process other(std::optional<Recipe>(recipe_of("minmax")), folder.path(""), 99);
    BOOST_REQUIRE(other.load());
    BOOST_TEST(other.position.start.loss == process->position.start.loss);
    BOOST_TEST((other.position.start.largest == process->position.start.largest));
    BOOST_TEST(other.position.start.largest.count("block2.conv1.weight") == 1u);
}

// Weights that start near zero, such as zero-initialised ones, must not raise an alarm.
BOOST_AUTO_TEST_CASE(a_start_next_to_zero_is_no_divergence) {
    const TemporaryFolder folder;
    Process process("", folder.path(""), 1);
    for (const auto& p : process.parameters) {
        const bool gamma = p->name.ends_with("bn2.weight");
        if (!gamma && p->value.shape().rank() != 4) continue;
        float* x = p->value.data<float>();
        for (int64_t i = 0; i < p->value.numel(); ++i) x[i] *= gamma ? 0.0f : 1e-5f;
    }
    BOOST_CHECK_NO_THROW(process.train());
    float largest = 0.0f;
    for (const auto& [name, size] : largest_magnitudes(process.parameters)) {
        if (name.ends_with("conv1.weight")) largest = std::max(largest, size);
    }
    BOOST_TEST(largest > 1e3f * 1e-5f);  // it grew by more than the ratio
}

// Before its first step the phase's rate cannot be the cause.
BOOST_AUTO_TEST_CASE(a_fault_at_the_start_is_laid_to_the_phase_before) {
    const TemporaryFolder folder;
    const auto process = process_of("lsq", folder);
    parameter(*process, "block2.conv1.input.quantizer", "scale").value.data<float>()[0] = 2e6f;
    PhaseSettings settings = quantized_settings(3);
    settings.start_remedy = "a lower --float-lr than 7 may help";
    BOOST_TEST(throws(ErrorKind::diverged, {"at quantized step 0; a lower --float-lr than 7 may"},
                      [&] { process->train(settings); }));
}

BOOST_AUTO_TEST_CASE(metrics_have_the_value_and_gradient_of_every_learned_parameter) {
    for (const Algorithm& row : algorithms()) {
        const TemporaryFolder folder;
        const auto process = process_of(row.name, folder);
        const auto learned = learned_parameters(*process->model);
        process->train(quantized_settings(2));
        const auto rows = intervals(folder);
        BOOST_REQUIRE(rows.size() == 2u);
        std::vector<std::string> names;
        if (rows[1].contains("parameters")) {
            for (const auto& [name, entry] : rows[1]["parameters"].items()) {
                names.push_back(name);
                BOOST_TEST(std::isfinite(entry.at("gradient").get<double>()), name);
                BOOST_TEST(!entry.contains("channels"), name);  // academic: one for the tensor
            }
        }
        std::vector<std::string> expected = names_of(learned);
        std::sort(expected.begin(), expected.end());
        BOOST_TEST(names == expected, boost::test_tools::per_element());
        for (const auto& p : learned) {
            const double value = rows[1]["parameters"][p->name]["value"];
            BOOST_TEST(value == p->value.data<float>()[0], p->name);
        }
        // A row without learned parameters at 4 bits reports nothing.
        const std::set<std::string> learning{"lsq", "lsq+", "pact", "qil", "apot", "tqt"};
        BOOST_TEST(!expected.empty() == (learning.count(row.name) > 0), row.name);
    }
}

BOOST_AUTO_TEST_CASE(metrics_of_channels_are_their_means) {
    const TemporaryFolder folder;
    const auto process = process_of("lsq", folder, "onnxruntime");
    const Parameter& scale = parameter(*process, "block2.conv1.weight.quantizer", "scale");
    process->train(quantized_settings(1));
    const auto entry = intervals(folder).at(0)["parameters"][scale.name];
    double mean = 0.0;
    for (const float s : scale.value.to_vector<float>()) mean += s / 16.0;
    BOOST_TEST(entry.at("channels") == 16);
    BOOST_CHECK_CLOSE(entry.at("value").get<double>(), mean, 1e-6);
    const double gradient = entry.at("gradient"), norm = entry.at("gradient_norm");
    BOOST_TEST(norm >= std::fabs(gradient) * 4.0 * 0.999999);  // |sum| <= sqrt(16) norm
    BOOST_TEST(norm > 0.0);
}

namespace {

// The first learned parameter and the first weight after one step with these rates.
std::pair<float, float> after_a_step(const std::string& algorithm, double multiplier,
                                     double quantizer_decay) {
    const TemporaryFolder folder;
    const auto process = process_of(algorithm, folder);
    Options options;
    options.quantizer_lr_multiplier = multiplier;
    options.quantizer_weight_decay = quantizer_decay;
    set_quantizer_rates(options, *process->model);
    OptimizerOptions sgd;
    sgd.weight_decay = 0.125f;
    process->optimizer = Optimizer(sgd);
    process->train(quantized_settings(1));
    const Graph& g = process->graph();
    return {learned_parameters(*process->model).at(3)->value.data<float>()[0],
            g.node(g.find("block1.conv1.weight")).parameter->value.data<float>()[0]};
}

float first_value(const std::string& algorithm) {
    const TemporaryFolder folder;
    return learned_parameters(*process_of(algorithm, folder)->model).at(3)->value.data<float>()[0];
}

}  // namespace

BOOST_AUTO_TEST_CASE(rates_and_decay_of_quantizers_act_on_them_alone) {
    for (const char* algorithm : {"lsq", "lsq+", "pact", "qil", "apot", "tqt"}) {
        BOOST_TEST_CONTEXT(algorithm) {
            const double start = first_value(algorithm);
            const auto [usual, weight] = after_a_step(algorithm, 1.0, -1.0);
            const auto [half, same_weight] = after_a_step(algorithm, 0.5, -1.0);
            const auto [fixed, other_weight] = after_a_step(algorithm, 0.0, -1.0);
            BOOST_TEST(fixed == start);
            BOOST_TEST(usual != start);
            const double moved = usual - start, rounding = 4e-7 * std::fabs(start);
            BOOST_TEST(std::fabs((half - start) - 0.5 * moved) <= rounding);
            BOOST_TEST((weight == same_weight && weight == other_weight));
            // Nesterov's first step is lr 1.9 (g + decay v); the rate of a single step is lr.
            const auto [free, free_weight] = after_a_step(algorithm, 1.0, 0.0);
            BOOST_TEST(std::fabs((free - usual) - 0.05 * 1.9 * 0.125 * start) <= 2 * rounding);
            BOOST_TEST(weight == free_weight);
        }
    }
}

// Restores learned parameters, kept ranges, signs and momentum into a fresh process.
BOOST_AUTO_TEST_CASE(checkpoints_bring_back_every_algorithm) {
    for (const Algorithm& row : algorithms()) {
        const TemporaryFolder folder;
        const auto process = process_of(row.name, folder);
        process->train(quantized_settings(3));
        Process other(std::optional<Recipe>(recipe_of(row.name)), folder.path(""), 99);
        for (const auto& q : other.model->quantizers) q->format.is_signed = !q->format.is_signed;
        BOOST_REQUIRE(other.load());
        for (size_t i = 0; i < other.model->quantizers.size(); ++i) {
            const Quantizer &a = *process->model->quantizers[i], &b = *other.model->quantizers[i];
            BOOST_TEST(a.format.is_signed == b.format.is_signed, a.name);
            BOOST_REQUIRE(a.parameters.size() == b.parameters.size());
            for (size_t k = 0; k < a.parameters.size(); ++k) {
                BOOST_TEST(same_bits(a.parameters[k]->value, b.parameters[k]->value), a.name);
            }
        }
        const Tensor images = small_images(4, 5);
        BOOST_TEST(same_bits(execute(process->model->inference, images, {}).output.data(),
                             execute(other.model->inference, images, {}).output.data()),
                   row.name);
    }
}

// Applies to batch norm of the float network and of graphs made from it; to nothing else.
BOOST_AUTO_TEST_CASE(decay_of_batch_norm_acts_on_it_alone) {
    const Graph network = small_network();
    set_norm_decay(network, 0.0f);
    int norms = 0;
    for (const auto& p : network.parameters()) {
        const bool of_norm = p->name.find(".bn") != std::string::npos ||
                             p->name.find("downsample.1.") != std::string::npos ||
                             p->name.rfind("bn1.", 0) == 0;
        if (!p->trainable) continue;
        norms += of_norm;
        BOOST_TEST(p->weight_decay.has_value() == of_norm, p->name);
    }
    BOOST_TEST(norms == 12);
    const QuantizedModel model = quantize(network, Recipe{});
    for (const auto& p : model.training.parameters()) {
        if (p->name == "block1.bn1.weight") BOOST_TEST(p->weight_decay.value_or(1.0f) == 0.0f);
    }
}

BOOST_AUTO_TEST_SUITE_END()
