// models -- sizes, stems, widths and initial weights; tests/models_golden_test.cc tests the
// numbers.
#include "models/models.h"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <sstream>

#include "models/inverted_residual.h"
#include "nn/executor.h"
#include "nn/node_attributes.h"
#include "run/train/network_summary.h"
#include "tests/compare.h"
#include "tests/files.h"

using namespace gradus;

namespace {

// Published: torchvision's and timm's counts at 3 channels and 1000 classes, ResNet-20 at 10; and
// the MACs at the papers' image sizes, counted on PyTorch's modules.
struct Published {
    const char* name;
    int64_t side, classes;
    int64_t parameters, macs;
};
constexpr Published kPublished[] = {
    {"resnet18", 224, 1000, 11689512, 1814073344},
    {"resnet34", 224, 1000, 21797672, 3663761408},
    {"resnet50", 224, 1000, 25557032, 4089184256},
    {"resnet20", 32, 10, 272474, 40813184},
    {"mobilenet_v2", 224, 1000, 3504872, 300774272},
    {"efficientnet_lite0", 224, 1000, 4652008, 385187552},
    {"efficientnet_lite1", 240, 1000, 5416680, 600185232},
    {"efficientnet_lite2", 260, 1000, 6092072, 859736272},
    {"efficientnet_lite3", 280, 1000, 8197096, 1383321872},
    {"efficientnet_lite4", 300, 1000, 13006568, 2553034336},
    {"regnetx_400mf", 224, 1000, 5157512, 397677568},
    {"regnetx_400mf_tv", 224, 1000, 5495976, 413812608},
    {"regnetx_600mf", 224, 1000, 6196040, 600890112},
    {"regnetx_800mf", 224, 1000, 7259656, 799699712},
};

std::string with_commas(int64_t number) {
    std::string text = std::to_string(number);
    for (int64_t at = static_cast<int64_t>(text.size()) - 3; at > 0; at -= 3) text.insert(at, ",");
    return text;
}

const Tensor& value_of(const Graph& graph, const std::string& name) {
    BOOST_REQUIRE_MESSAGE(graph.find(name) >= 0, name);
    return graph.node(graph.find(name)).parameter->value;
}

// The shapes of the last node with height and width, and of the logits.
std::pair<Shape, Shape> last_shapes(const Graph& graph) {
    const Shape sample = graph.sample_shape();
    Shape image;
    const Execution run = execute(graph, random_tensor({1, sample[0], sample[1], sample[2]}, 3),
                                  RunMode{}, [&](const Node& node, const Variable& value) {
                                      const bool pixels = node.kind == NodeKind::op &&
                                                          value.shape().rank() == 4 &&
                                                          node.op != "global_average_pool";
                                      if (pixels) image = value.shape();
                                  });
    return {image, run.output.shape()};
}

double deviation(const Tensor& values) {
    double sum = 0;
    for (float v : values.to_vector<float>()) sum += double{v} * v;
    return std::sqrt(sum / static_cast<double>(values.numel()));
}

double dropout_of(const Graph& graph) {
    for (const Node& node : graph.nodes()) {
        if (node.op == "dropout") return node.attributes.real("p");
    }
    return 0;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(models_table, *boost::unit_test::label("network"))

BOOST_AUTO_TEST_CASE(parameters_and_macs_are_as_published) {
    BOOST_TEST(models().size() == std::size(kPublished));
    for (const Published& p : kPublished) {
        const Graph graph =
            build_model(p.name, {{p.side, p.side, 3}, p.classes, "imagenet"}, Rng(1));
        BOOST_TEST(graph.trainable_count() == p.parameters, p.name);
        std::ostringstream table;
        print_summary(table, graph, false);
        const std::string text = table.str(), total = text.substr(text.find("total"));
        BOOST_TEST(total.find(" " + with_commas(p.macs) + " ") != std::string::npos, total);
        BOOST_TEST(total.find(" " + with_commas(p.parameters) + " ") != std::string::npos, total);
    }
}

BOOST_AUTO_TEST_CASE(the_summary_knows_groups_and_bytes) {
    GraphBuilder g({5, 4, 8}, Rng(1));
    const int x = g.conv2d("depthwise", g.input(), 8, 8, 3, same_conv(5, 4, 3, 2, 8));
    const Graph graph = g.finish(g.conv2d("grouped", x, 8, 6, 1, square_conv(1, 0, 2)));
    std::ostringstream table;
    print_summary(table, graph, false);
    std::string words, word;
    for (std::istringstream in(table.str()); in >> word;) words += word + " ";
    // 3 x 2 pixels: 48 outputs of 9 products, 36 outputs of 4; floats: 72 + 48, and 24 + 36.
    BOOST_TEST(words.find("| 72 | 432 | 480 B") != std::string::npos, words);
    BOOST_TEST(words.find("| 24 | 144 | 240 B") != std::string::npos, words);
    BOOST_TEST(words.find("| 96 | 576 | 720 B") != std::string::npos, words);
}

// Each family, any size, channels and classes: the last stage sees 1/32, 1/16, 1/8 of the image.
BOOST_AUTO_TEST_CASE(stems_leave_out_the_first_reductions) {
    struct Expected {
        const char* model;
        int64_t channels;
    };
    for (const Expected& e :
         {Expected{"resnet50", 2048}, Expected{"mobilenet_v2", 1280},
          Expected{"efficientnet_lite0", 1280}, Expected{"regnetx_600mf", 528}}) {
        for (const auto& [stem, h, w] :
             {std::tuple{"imagenet", 2, 3}, {"half", 4, 5}, {"small", 7, 9}}) {
            const auto [image, logits] =
                last_shapes(build_model(e.model, {{51, 67, 1}, 7, stem}, Rng(1)));
            BOOST_TEST(image == Shape({1, h, w, e.channels}), e.model << ' ' << stem);
            BOOST_TEST(logits == Shape({1, 7}));
        }
    }
    for (const auto& [stem, side] : {std::pair{"imagenet", 8}, {"small", 8}, {"half", 4}}) {
        const auto image =
            last_shapes(build_model("resnet20", {{32, 32, 3}, 10, stem}, Rng(1))).first;
        BOOST_TEST(image == Shape({1, side, side, 64}), stem);
    }
}

BOOST_AUTO_TEST_CASE(weights_of_one_stem_serve_the_others) {
    for (const char* model : {"mobilenet_v2", "efficientnet_lite0", "regnetx_400mf"}) {
        const Graph wide = build_model(model, {{64, 64, 3}, 10, "imagenet"}, Rng(1));
        const Graph small = build_model(model, {{32, 32, 3}, 10, "small"}, Rng(1));
        BOOST_REQUIRE(wide.parameters().size() == small.parameters().size());
        for (const auto& parameter : wide.parameters()) {
            BOOST_TEST(same_bits(value_of(small, parameter->name), parameter->value),
                       parameter->name);
        }
    }
}

BOOST_AUTO_TEST_CASE(only_mobilenet_has_widths) {
    const auto count = [](double width) {
        return build_model("mobilenet_v2", {{64, 64, 3}, 1000, "imagenet", width}, Rng(1))
            .trainable_count();
    };
    BOOST_TEST(count(0.35) == 1677128);
    BOOST_TEST(count(0.5) == 1968680);
    BOOST_TEST(count(1.4) == 6108776);
    BOOST_TEST(throws(ErrorKind::usage, {"--width-mult 0.5", "resnet18", "one width"}, [] {
        build_model("resnet18", {{64, 64, 3}, 10, "imagenet", 0.5}, Rng(1));
    }));
    BOOST_TEST(round_channels(1.0) == 8);
    BOOST_TEST(round_channels(11.2) == 16);  // 8 would be more than 10 % below
    BOOST_TEST(round_channels(33.6) == 32);
    BOOST_TEST(round_channels(36.0) == 40);
}

BOOST_AUTO_TEST_CASE(dropout_is_the_models_own_or_as_asked) {
    for (const Model& m : models()) {
        const auto rates = [&](std::optional<double> dropout) {
            const ModelOptions options{{32, 32, 3}, 10, "imagenet", 1.0, dropout};
            const Graph graph = build_model(m.name, options, Rng(1));
            std::vector<double> p;
            for (const Node& node : graph.nodes()) {
                if (node.op == "dropout") p.push_back(node.attributes.real("p"));
            }
            return p;
        };
        const bool lite = std::string(m.name).starts_with("efficientnet_lite");
        const bool expected = lite || std::string(m.name) == "mobilenet_v2";
        BOOST_TEST(m.has_dropout == expected, m.name);
        BOOST_TEST(rates({}).size() == (expected ? 1u : 0u), m.name);
        if (!expected) continue;
        BOOST_TEST(rates({}).at(0) >= 0.2, m.name);
        BOOST_TEST(rates(0.0).at(0) == 0.0, m.name);
        BOOST_TEST(rates(0.75).at(0) == 0.75, m.name);
    }
}

BOOST_AUTO_TEST_CASE(unknown_stems_are_refused_by_every_family) {
    for (const Model& m : models()) {
        BOOST_TEST(throws(ErrorKind::usage, {"wide", "imagenet", "small", "half"}, [&] {
            build_model(m.name, {{32, 32, 3}, 10, "wide"}, Rng(1));
        }));
    }
}

BOOST_AUTO_TEST_CASE(first_weights_are_the_papers) {
    const auto build = [](const char* model) {
        return build_model(model, {{32, 32, 3}, 100, "imagenet"}, Rng(1));
    };
    const Graph mobile = build("mobilenet_v2"), lite = build("efficientnet_lite0");
    const auto near = boost::test_tools::tolerance(0.03);
    // 960 channels, fan out of all groups or of one.
    BOOST_TEST(
        deviation(value_of(mobile, "features.17.conv.1.0.weight")) == std::sqrt(2.0 / (960 * 9)),
        near);
    BOOST_TEST(deviation(value_of(lite, "blocks.5.0.conv_dw.weight")) == std::sqrt(2.0 / 25), near);
    BOOST_TEST(deviation(value_of(lite, "conv_head.weight")) == std::sqrt(2.0 / 1280), near);
    BOOST_TEST(deviation(value_of(mobile, "classifier.1.weight")) == 0.01, near);
    BOOST_TEST(deviation(value_of(build("regnetx_400mf"), "fc.weight")) == 0.01, near);
    BOOST_TEST(deviation(value_of(lite, "classifier.weight")) == 0.1 / std::sqrt(3.0), near);
    BOOST_TEST(deviation(value_of(mobile, "classifier.1.bias")) == 0.0);
    BOOST_TEST(deviation(value_of(lite, "classifier.bias")) == 0.0);
}

BOOST_AUTO_TEST_CASE(dropout_and_eps_are_the_papers) {
    const auto build = [](const std::string& model) {
        return build_model(model, {{32, 32, 3}, 10, "imagenet"}, Rng(1));
    };
    BOOST_TEST(dropout_of(build("mobilenet_v2")) == 0.2);
    BOOST_TEST(dropout_of(build("regnetx_400mf")) == 0.0);
    for (const auto& [variant, p] : {std::pair{0, 0.2}, {1, 0.2}, {2, 0.3}, {3, 0.3}, {4, 0.3}}) {
        const Graph lite = build(join("efficientnet_lite", variant));
        BOOST_TEST(dropout_of(lite) == p, variant);
        for (const Node& node : lite.nodes()) {
            if (node.op == "batch_norm") BOOST_TEST(node.attributes.real("eps") == double{1e-3f});
        }
    }
}

BOOST_AUTO_TEST_CASE(same_padding_is_tensorflow_s) {
    struct Expected {
        int64_t in, kernel, stride, before, after;
    };
    for (const Expected& e : {Expected{224, 3, 2, 0, 1},
                              {225, 3, 2, 1, 1},
                              {112, 5, 2, 1, 2},
                              {113, 5, 2, 2, 2},
                              {7, 3, 1, 1, 1},
                              {8, 5, 1, 2, 2},
                              {5, 1, 2, 0, 0},
                              {1, 5, 2, 2, 2},
                              {2, 3, 2, 0, 1}}) {
        const Conv2dAttrs tall = same_conv(e.in, 9, e.kernel, e.stride);
        const Conv2dAttrs flat = same_conv(9, e.in, e.kernel, e.stride);
        BOOST_TEST_CONTEXT(e.in << ' ' << e.kernel << ' ' << e.stride) {
            BOOST_TEST(tall.pad_top == e.before);
            BOOST_TEST(tall.pad_bottom == e.after);
            BOOST_TEST(flat.pad_left == e.before);
            BOOST_TEST(flat.pad_right == e.after);
            const Conv2dShape shape =
                conv2d_shape("test", {1, e.in, 9, 2}, {3, e.kernel, e.kernel, 2}, tall);
            BOOST_TEST(shape.oh == (e.in + e.stride - 1) / e.stride);
        }
    }
}

// The builder tracks the image size through the network: 224 pads (0, 1), 112 too, then 5x5 at 56.
BOOST_AUTO_TEST_CASE(efficientnet_pads_by_its_image) {
    const auto pads = [](int64_t side, const char* stem, const char* conv) {
        const Graph graph = build_model("efficientnet_lite0", {{side, side, 3}, 10, stem}, Rng(1));
        return graph.node(graph.find(conv)).attributes.integers("pad");
    };
    using Pads = std::vector<int64_t>;
    BOOST_TEST(pads(224, "imagenet", "conv_stem") == (Pads{0, 0, 1, 1}));
    BOOST_TEST(pads(225, "imagenet", "conv_stem") == (Pads{1, 1, 1, 1}));
    BOOST_TEST(pads(224, "imagenet", "blocks.2.0.conv_dw") == (Pads{1, 1, 2, 2}));
    BOOST_TEST(pads(225, "imagenet", "blocks.2.0.conv_dw") == (Pads{2, 2, 2, 2}));
    BOOST_TEST(pads(32, "small", "conv_stem") == (Pads{1, 1, 1, 1}));
    BOOST_TEST(pads(32, "small", "blocks.2.0.conv_dw") == (Pads{1, 1, 2, 2}));
}

BOOST_AUTO_TEST_SUITE_END()
