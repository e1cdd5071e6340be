// models -- every network forward and backward against torchvision and timm, on the same weights.
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "models/models.h"
#include "nn/executor.h"
#include "tests/compare.h"

using namespace gradus;

namespace {

// The same cases as in tests/golden/make_models.py, which made the vectors <golden>_eval, _train
// and _grad.
struct Case {
    const char* golden;
    const char* model;
    const char* stem;
    int64_t h, w;
    double width_mult = 1.0;
};
std::ostream& operator<<(std::ostream& out, const Case& c) {
    return out << c.golden;
}

constexpr Case kResNets[] = {
    {"resnet18", "resnet18", "imagenet", 33, 38},    {"resnet34", "resnet34", "imagenet", 33, 38},
    {"resnet50", "resnet50", "imagenet", 33, 38},    {"resnet20", "resnet20", "imagenet", 13, 18},
    {"resnet20", "resnet20", "small", 13, 18},       {"resnet50_half", "resnet50", "half", 13, 18},
    {"resnet50_small", "resnet50", "small", 13, 18},
};
constexpr Case kMobileNets[] = {
    {"mobilenet_v2", "mobilenet_v2", "imagenet", 33, 38},
    {"mobilenet_v2_half", "mobilenet_v2", "half", 13, 18},
    {"mobilenet_v2_small", "mobilenet_v2", "small", 13, 18},
    {"mobilenet_v2_narrow", "mobilenet_v2", "imagenet", 33, 38, 0.35},
    {"mobilenet_v2_wide", "mobilenet_v2", "imagenet", 33, 38, 1.4},
};
constexpr Case kEfficientNets[] = {
    {"efficientnet_lite0", "efficientnet_lite0", "imagenet", 33, 38},
    {"efficientnet_lite1", "efficientnet_lite1", "imagenet", 33, 38},
    {"efficientnet_lite2", "efficientnet_lite2", "imagenet", 33, 38},
    {"efficientnet_lite3", "efficientnet_lite3", "imagenet", 33, 38},
    {"efficientnet_lite4", "efficientnet_lite4", "imagenet", 33, 38},
    {"efficientnet_lite0_half", "efficientnet_lite0", "half", 13, 18},
    {"efficientnet_lite0_small", "efficientnet_lite0", "small", 13, 18},
    {"efficientnet_lite0_even", "efficientnet_lite0", "imagenet", 64, 64},
};
constexpr Case kRegNets[] = {
    {"regnetx_400mf", "regnetx_400mf", "imagenet", 33, 38},
    {"regnetx_400mf_tv", "regnetx_400mf_tv", "imagenet", 33, 38},
    {"regnetx_600mf", "regnetx_600mf", "imagenet", 33, 38},
    {"regnetx_800mf", "regnetx_800mf", "imagenet", 33, 38},
    {"regnetx_400mf_half", "regnetx_400mf", "half", 13, 18},
    {"regnetx_400mf_small", "regnetx_400mf", "small", 13, 18},
};

constexpr int64_t kBatch = 2, kTrainBatch = 8, kChannels = 3, kClasses = 10;

bool ends_with(const std::string& text, const std::string& end) {
    return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

void fill(Tensor& tensor, const std::string& name, float low, float high) {
    const Rng rng = Rng(1).split(name);
    for (int64_t i = 0; i < tensor.numel(); ++i) {
        tensor.data<float>()[i] = low + (high - low) * rng.uniform(i);
    }
}

Tensor drawn(const std::string& name, const Shape& shape) {
    Tensor tensor = Tensor::empty(shape);
    fill(tensor, name, -1, 1);
    return tensor;
}

void draw_parameters(const Graph& graph) {
    for (const auto& parameter : graph.parameters()) {
        Tensor& value = parameter->value;
        const std::string& name = parameter->name;
        if (value.shape().rank() > 1) {
            const int64_t fan_in = value.numel() / value.shape()[0];
            const float bound = static_cast<float>(std::sqrt(3.0 / static_cast<double>(fan_in)));
            fill(value, name, -bound, bound);
        } else if (ends_with(name, "running_var") || ends_with(name, "weight")) {
            fill(value, name, 0.5f, 1.5f);
        } else {
            fill(value, name, -0.25f, 0.25f);
        }
    }
}

Graph golden_network(const Case& c) {
    Graph graph =
        build_model(c.model, {{c.h, c.w, kChannels}, kClasses, c.stem, c.width_mult}, Rng(2));
    draw_parameters(graph);
    for (size_t id = 0; id < graph.nodes().size(); ++id) {
        Node& node = graph.node(static_cast<int>(id));
        if (node.op == "dropout") node.attributes.set("p", 0.0);
    }
    return graph;
}

// Norm, and projections on pseudorandom numbers in [-1, 1) by multiplicative hashing.
std::array<double, 4> summary(const Tensor& gradient) {
    constexpr uint32_t multipliers[] = {2654435761u, 2246822519u, 3266489917u};
    std::array<double, 4> numbers{};
    for (int64_t i = 0; i < gradient.numel(); ++i) {
        const double value = gradient.data<float>()[i];
        numbers[0] += value * value;
        for (int k = 0; k < 3; ++k) {
            const uint32_t hashed = static_cast<uint32_t>(i + 1) * multipliers[k];
            numbers[k + 1] += value * (hashed * 0x1p-31 - 1.0);
        }
    }
    numbers[0] = std::sqrt(numbers[0]);
    return numbers;
}

void check_logits(const Tensor& got, const Tensor& want) {
    BOOST_REQUIRE(got.shape() == want.shape());
    const auto g = got.to_vector<float>(), w = want.to_vector<float>();
    double most = 0, error = 0;
    for (size_t i = 0; i < g.size(); ++i) {
        most = std::max(most, std::abs(double{w[i]}));
        error = std::max(error, std::abs(double{g[i]} - w[i]));
    }
    BOOST_TEST(error <= 1e-4 * most);
}

void check_gradients(const Execution& run, const Tensor& want) {
    std::map<std::string, Tensor> gradients;
    for (const auto& [parameter, leaf] : run.leaves) gradients[parameter->name] = leaf.grad();
    BOOST_REQUIRE(want.shape() == Shape({static_cast<int64_t>(gradients.size()), 4}));
    const float* expected = want.data<float>();
    for (const auto& [name, gradient] : gradients) {
        const auto got = summary(gradient);
        for (int k = 0; k < 4; ++k) {
            BOOST_TEST(std::abs(got[k] - expected[k]) <= 1e-3 * expected[0],
                       name << " number " << k << ": got " << got[k] << ", want " << expected[k]
                            << ", norm " << expected[0]);
        }
        expected += 4;
    }
}

template <size_t n>
void check_all(const Case (&cases)[n]) {
    for (const Case& c : cases) {
        BOOST_TEST_CONTEXT(c) {
            const Graph graph = golden_network(c);
            const std::string folder = join("models/", c.golden);
            const Tensor which = golden(folder + "_images");
            const Tensor images = drawn(join("images", static_cast<int>(which.data<float>()[0])),
                                        {kBatch, c.h, c.w, kChannels});
            const Execution run = execute(graph, images, RunMode{false, true});
            check_logits(run.output.data(), golden(folder + "_eval"));
            backward_from(run.output, drawn("logits", {kBatch, kClasses}));
            check_gradients(run, golden(folder + "_grad"));
            const Tensor batch = drawn("images", {kTrainBatch, c.h, c.w, kChannels});
            check_logits(execute(graph, batch, RunMode{true}).output.data(),
                         golden(folder + "_train"));
        }
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(models_golden, *boost::unit_test::label("network"))

BOOST_AUTO_TEST_CASE(resnets_are_torchvision_s) {
    check_all(kResNets);
}
BOOST_AUTO_TEST_CASE(mobilenets_are_torchvision_s) {
    check_all(kMobileNets);
}
BOOST_AUTO_TEST_CASE(efficientnets_are_timm_s) {
    check_all(kEfficientNets);
}
BOOST_AUTO_TEST_CASE(regnets_are_torchvision_s) {
    check_all(kRegNets);
}

BOOST_AUTO_TEST_SUITE_END()
