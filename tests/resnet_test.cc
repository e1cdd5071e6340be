// resnet -- torchvision's ResNet-18: names, shapes, stems.
#include "models/resnet.h"

#include <boost/test/unit_test.hpp>
#include <map>
#include <set>

#include "nn/executor.h"
#include "tests/compare.h"
#include "tests/files.h"

using namespace gradus;

namespace {

Graph build(const Shape& sample_shape, int64_t classes, const std::string& stem) {
    return find_model("resnet18").build({sample_shape, classes, stem}, Rng(1));
}

// The tensors of torchvision's resnet18, its counters num_batches_tracked left out, with their
// shapes (filters O KH KW I).
std::map<std::string, Shape> torchvision_tensors() {
    std::map<std::string, Shape> tensors;
    const auto norm = [&](const std::string& name, int64_t channels) {
        for (const char* part : {".weight", ".bias", ".running_mean", ".running_var"}) {
            tensors[name + part] = {channels};
        }
    };
    tensors["conv1.weight"] = {64, 7, 7, 3};
    norm("bn1", 64);
    int64_t in = 64;
    for (int stage = 1; stage <= 4; ++stage) {
        const int64_t out = 32 << stage;
        for (int block = 0; block < 2; ++block) {
            const std::string name = join("layer", stage, '.', block, '.');
            tensors[name + "conv1.weight"] = {out, 3, 3, in};
            norm(name + "bn1", out);
            tensors[name + "conv2.weight"] = {out, 3, 3, out};
            norm(name + "bn2", out);
            if (in != out) {
                tensors[name + "downsample.0.weight"] = {out, 1, 1, in};
                norm(name + "downsample.1", out);
            }
            in = out;
        }
    }
    tensors["fc.weight"] = {1000, 512};
    tensors["fc.bias"] = {1000};
    return tensors;
}

// The shapes of all values for one image, by node.
std::map<std::string, Shape> shapes_of(const Graph& graph, int64_t* logits = nullptr) {
    std::map<std::string, Shape> shapes;
    const Shape sample = graph.sample_shape();
    const Tensor image = Tensor::zeros({1, sample[0], sample[1], sample[2]});
    const Execution run = execute(
        graph, image, RunMode{},
        [&](const Node& node, const Variable& value) { shapes[node.name] = value.shape(); });
    if (logits) *logits = run.output.shape()[1];
    return shapes;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(resnet, *boost::unit_test::label("network"))

BOOST_AUTO_TEST_CASE(the_imagenet_network_is_torchvision_s) {
    const Graph graph = build({224, 224, 3}, 1000, "imagenet");
    BOOST_TEST(graph.trainable_count() == 11689512);
    const auto expected = torchvision_tensors();
    BOOST_TEST(expected.size() == 102);
    std::set<std::string> names;
    for (const auto& parameter : graph.parameters()) {
        const auto found = expected.find(parameter->name);
        BOOST_REQUIRE_MESSAGE(found != expected.end(), parameter->name);
        BOOST_TEST(parameter->value.shape() == found->second, parameter->name);
        names.insert(parameter->name);
    }
    BOOST_TEST(names.size() == expected.size());
    BOOST_TEST(names.count("layer3.0.downsample.1.running_var") == 1);
    BOOST_TEST(names.count("layer1.0.downsample.0.weight") == 0);
}

BOOST_AUTO_TEST_CASE(stems_differ_before_the_first_stage_only) {
    struct Expected {
        const char* stem;
        int64_t side, conv1, stage1, stage4;
    };
    for (const Expected& e : {Expected{"imagenet", 64, 32, 16, 2}, Expected{"half", 28, 14, 14, 2},
                              Expected{"small", 32, 32, 32, 4}}) {
        int64_t logits = 0;
        const auto shapes = shapes_of(build({e.side, e.side, 1}, 10, e.stem), &logits);
        BOOST_TEST(shapes.at("conv1") == Shape({1, e.conv1, e.conv1, 64}), e.stem);
        BOOST_TEST(shapes.count("maxpool") == (std::string(e.stem) == "imagenet" ? 1u : 0u));
        BOOST_TEST(shapes.at("layer1.1.relu2") == Shape({1, e.stage1, e.stage1, 64}), e.stem);
        BOOST_TEST(shapes.at("layer4.1.relu2") == Shape({1, e.stage4, e.stage4, 512}), e.stem);
        BOOST_TEST(shapes.at("flatten") == Shape({1, 512}), e.stem);
        BOOST_TEST(logits == 10);
    }
}

BOOST_AUTO_TEST_CASE(auto_goes_by_the_image_size) {
    BOOST_TEST(resolve_stem("auto", {28, 28, 1}) == "half");
    BOOST_TEST(resolve_stem("auto", {40, 40, 3}) == "half");
    BOOST_TEST(resolve_stem("auto", {41, 41, 3}) == "imagenet");
    BOOST_TEST(resolve_stem("small", {224, 224, 3}) == "small");
    const Graph graph = build({28, 28, 1}, 10, "auto");
    BOOST_TEST(graph.node(graph.find("conv1.weight")).parameter->value.shape() ==
               Shape({64, 3, 3, 1}));
}

BOOST_AUTO_TEST_CASE(unknown_names_are_refused_with_the_list) {
    BOOST_TEST(throws(ErrorKind::usage, {"resnet19", "resnet18"}, [] { find_model("resnet19"); }));
    BOOST_TEST(throws(ErrorKind::usage, {"wide", "imagenet", "small", "half"}, [] {
        build({28, 28, 1}, 10, "wide");
    }));
}

BOOST_AUTO_TEST_SUITE_END()
