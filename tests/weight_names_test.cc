// Checkpoints of other projects: finds every parameter under their names.
#include "models/weight_names.h"

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "io/safetensors.h"
#include "io/weight_layout.h"
#include "models/models.h"
#include "run/train/checkpoint.h"
#include "run/train/load_network.h"
#include "tests/files.h"

using namespace gradus;

namespace {

Graph network(const std::string& model, uint64_t seed = 1) {
    return find_model(model).build({Shape{32, 32, 3}, 10, "small"}, Rng(seed));
}

const NamingScheme& scheme(const std::string& name) {
    for (const NamingScheme& candidate : naming_schemes()) {
        if (candidate.name == name) return candidate;
    }
    throw std::runtime_error("no scheme " + name);
}

// Writes the parameters under another scheme's names, with step counters, as PyTorch does.
std::string file_in(const TemporaryFolder& folder, const Graph& g, const std::string& scheme_name) {
    std::map<std::string, Tensor> tensors;
    const auto names = names_in(scheme(scheme_name), g.parameters());
    for (const auto& p : g.parameters()) {
        const std::string& theirs = names.at(p->name);
        BOOST_TEST(tensors.count(theirs) == 0, theirs);
        tensors[theirs] = filters_to_file(p->value);
        const size_t end = theirs.find("running_mean");
        if (end == std::string::npos) continue;
        tensors[theirs.substr(0, end) + "num_batches_tracked"] = Tensor::from<int64_t>({3}, {});
    }
    save_safetensors(folder.path("weights"), tensors);
    return folder.path("weights");
}

void check_loads(const std::string& model, const std::string& scheme_name, const char* expected) {
    const TemporaryFolder folder;
    const Graph from = network(model, 1), to = network(model, 2);
    const WeightsMatch match = load_network(file_in(folder, from, scheme_name), to.parameters());
    BOOST_TEST(match.text() == expected);
    for (size_t i = 0; i < from.parameters().size(); ++i) {
        BOOST_TEST((from.parameters()[i]->value.to_vector<float>() ==
                    to.parameters()[i]->value.to_vector<float>()),
                   from.parameters()[i]->name);
    }
}

std::string in(const char* scheme_name, const char* ours, int block = -1) {
    return scheme(scheme_name).translate(ours, block);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(weight_names, *boost::unit_test::label("network"))

BOOST_AUTO_TEST_CASE(resnet18_has_the_122_tensors_of_torchvision) {
    check_loads("resnet18", "our own", "122 of 122 tensors matched by our own names");
}

BOOST_AUTO_TEST_CASE(names_of_regnet) {
    const char* ours = "trunk_output.block2.block2-0.f.b.1.running_var";
    BOOST_TEST(in("timm's", ours) == "s2.b1.conv2.bn.running_var");
    BOOST_TEST(in("pycls's and MQBench's", ours) == "s2.b1.f.b_bn.running_var");
    const char* projection = "trunk_output.block4.block4-0.proj.0.weight";
    BOOST_TEST(in("timm's", projection) == "s4.b1.downsample.conv.weight");
    BOOST_TEST(in("pycls's and MQBench's", projection) == "s4.b1.proj.weight");
    BOOST_TEST(in("pycls's and MQBench's", "trunk_output.block4.block4-0.proj.1.bias") ==
               "s4.b1.bn.bias");
    BOOST_TEST(in("timm's", "stem.1.weight") == "stem.bn.weight");
    BOOST_TEST(in("timm's", "fc.weight") == "head.fc.weight");
}

// Every rule of a scheme once: {ours, theirs}.
void check_names(const char* scheme_name, int block,
                 const std::vector<std::pair<const char*, const char*>>& names) {
    for (const auto& [ours, theirs] : names) BOOST_TEST(in(scheme_name, ours, block) == theirs);
}

BOOST_AUTO_TEST_CASE(every_layer_of_a_regnet_has_its_name) {
    check_names("timm's", -1,
                {{"stem.0.weight", "stem.conv.weight"},
                 {"trunk_output.block1.block1-2.f.a.0.weight", "s1.b3.conv1.conv.weight"},
                 {"trunk_output.block1.block1-2.f.a.1.weight", "s1.b3.conv1.bn.weight"},
                 {"trunk_output.block1.block1-2.f.b.0.weight", "s1.b3.conv2.conv.weight"},
                 {"trunk_output.block1.block1-2.f.c.0.weight", "s1.b3.conv3.conv.weight"},
                 {"trunk_output.block1.block1-2.f.c.1.weight", "s1.b3.conv3.bn.weight"},
                 {"trunk_output.block1.block1-0.proj.1.weight", "s1.b1.downsample.bn.weight"}});
    check_names("pycls's and MQBench's", -1,
                {{"stem.0.weight", "stem.conv.weight"},
                 {"stem.1.weight", "stem.bn.weight"},
                 {"trunk_output.block1.block1-2.f.a.0.weight", "s1.b3.f.a.weight"},
                 {"trunk_output.block1.block1-2.f.c.1.weight", "s1.b3.f.c_bn.weight"},
                 {"fc.bias", "head.fc.bias"}});
}

BOOST_AUTO_TEST_CASE(every_layer_of_a_mobilenet_has_its_name) {
    check_names("timm's", 0,
                {{"features.0.0.weight", "conv_stem.weight"},
                 {"features.0.1.weight", "bn1.weight"},
                 {"features.1.conv.0.0.weight", "blocks.0.0.conv_dw.weight"},
                 {"features.1.conv.0.1.weight", "blocks.0.0.bn1.weight"},
                 {"features.1.conv.2.weight", "blocks.0.0.bn2.weight"},
                 {"features.18.0.weight", "conv_head.weight"}});
    check_names("timm's", 1,
                {{"features.2.conv.0.0.weight", "blocks.1.0.conv_pw.weight"},
                 {"features.2.conv.0.1.weight", "blocks.1.0.bn1.weight"},
                 {"features.2.conv.1.1.weight", "blocks.1.0.bn2.weight"},
                 {"features.2.conv.2.weight", "blocks.1.0.conv_pwl.weight"}});
    check_names("MQBench's", -1,
                {{"features.1.conv.0.0.weight", "features.1.conv.0.weight"},
                 {"features.1.conv.0.1.weight", "features.1.conv.1.weight"},
                 {"features.1.conv.1.weight", "features.1.conv.3.weight"},
                 {"features.2.conv.0.0.weight", "features.2.conv.0.weight"},
                 {"features.2.conv.0.1.weight", "features.2.conv.1.weight"},
                 {"features.2.conv.1.1.weight", "features.2.conv.4.weight"},
                 {"features.2.conv.2.weight", "features.2.conv.6.weight"}});
}

BOOST_AUTO_TEST_CASE(every_layer_of_an_efficientnet_lite_has_its_name) {
    check_names("efficientnet-lite-pytorch's", 0,
                {{"conv_stem.weight", "_conv_stem.weight"},
                 {"bn1.weight", "_bn0.weight"},
                 {"conv_head.weight", "_conv_head.weight"},
                 {"blocks.0.0.conv_dw.weight", "_blocks.0._depthwise_conv.weight"},
                 {"blocks.0.0.bn2.weight", "_blocks.0._bn2.weight"}});
    check_names("efficientnet-lite-pytorch's", 4,
                {{"blocks.2.1.conv_pw.weight", "_blocks.4._expand_conv.weight"},
                 {"blocks.2.1.conv_dw.weight", "_blocks.4._depthwise_conv.weight"},
                 {"blocks.2.1.bn2.weight", "_blocks.4._bn1.weight"},
                 {"blocks.2.1.bn3.weight", "_blocks.4._bn2.weight"}});
}

BOOST_AUTO_TEST_CASE(names_of_mobilenet) {
    BOOST_TEST(in("timm's", "features.1.conv.1.weight", 0) == "blocks.0.0.conv_pw.weight");
    BOOST_TEST(in("timm's", "features.4.conv.1.0.weight", 3) == "blocks.2.0.conv_dw.weight");
    BOOST_TEST(in("timm's", "features.17.conv.3.bias", 16) == "blocks.6.0.bn3.bias");
    BOOST_TEST(in("timm's", "features.18.1.weight") == "bn2.weight");
    BOOST_TEST(in("timm's", "classifier.1.bias") == "classifier.bias");
    BOOST_TEST(in("MQBench's", "features.2.conv.1.0.weight") == "features.2.conv.3.weight");
    BOOST_TEST(in("MQBench's", "features.2.conv.3.weight") == "features.2.conv.7.weight");
    BOOST_TEST(in("MQBench's", "features.1.conv.2.weight") == "features.1.conv.4.weight");
}

BOOST_AUTO_TEST_CASE(names_of_efficientnet_lite) {
    const char* theirs = "efficientnet-lite-pytorch's";
    BOOST_TEST(in(theirs, "blocks.0.0.bn1.weight", 0) == "_blocks.0._bn1.weight");
    BOOST_TEST(in(theirs, "blocks.0.0.conv_pw.weight", 0) == "_blocks.0._project_conv.weight");
    BOOST_TEST(in(theirs, "blocks.2.1.bn1.weight", 4) == "_blocks.4._bn0.weight");
    BOOST_TEST(in(theirs, "blocks.2.1.conv_pwl.weight", 4) == "_blocks.4._project_conv.weight");
    BOOST_TEST(in(theirs, "bn2.running_mean") == "_bn1.running_mean");
    BOOST_TEST(in(theirs, "classifier.bias") == "_fc.bias");
}

// Names with the prefixes of wrappers, and the messages about them.
BOOST_AUTO_TEST_CASE(prefixes_are_taken_off_where_all_match) {
    struct Case {
        const char* what;
        std::string (*rename)(const std::string&);
        const char* said;
    };
    const TemporaryFolder folder;
    const Graph g = network("resnet18");
    const auto tensors = export_parameters(g.parameters());
    using S = const std::string&;
    for (const Case& c :
         {Case{"one", [](S n) { return "backbone." + n; }, ", without the prefix backbone."},
          Case{"unknown", [](S n) { return "my.net.v2." + n; }, ", without the prefix my.net.v2."},
          Case{"two", [](S n) { return (n.starts_with("fc") ? "head." : "backbone.") + n; },
               ", without the prefixes backbone. and head."},
          Case{"no head", [](S n) { return (n.starts_with("fc") ? "" : "backbone.") + n; },
               ", without the prefix backbone."},
          Case{"parallel", [](S n) { return "module." + n; }, ", without the prefix module."},
          Case{"inside",
               [](S n) { return n.starts_with("layer1.") ? "layer1._orig_mod." + n.substr(7) : n; },
               ", without the prefix _orig_mod."},
          Case{"nested", [](S n) { return "_orig_mod.module.net." + n; },
               ", without the prefixes _orig_mod., module. and net."}}) {
        std::map<std::string, Tensor> renamed{{"criterion.weight", Tensor::zeros({2})},
                                              {"x.fcc.bias", Tensor::zeros({2})}};
        for (const auto& [name, tensor] : tensors) renamed[c.rename(name)] = tensor;
        save_safetensors(folder.path("w"), renamed);
        const Graph other = network("resnet18");
        other.parameters()[3]->value.data<float>()[0] = 77.0f;
        BOOST_TEST(load_network(folder.path("w"), other.parameters()).text() ==
                       join("102 of 104 tensors matched by our own names", c.said,
                            "; left out: criterion.weight, ..."),
                   c.what);
        BOOST_TEST(other.parameters()[3]->value.data<float>()[0] != 77.0f);
    }
}

BOOST_AUTO_TEST_CASE(prefixes_that_leave_a_choice_or_a_gap_are_refused) {
    const TemporaryFolder folder;
    const Graph g = network("resnet18");
    std::map<std::string, Tensor> twice, gap, both;
    for (const auto& [name, tensor] : export_parameters(g.parameters())) {
        for (const char* prefix : {"student.", "teacher."}) twice[prefix + name] = tensor;
        both[name] = both["ema." + name] = tensor;
        if (name != "fc.bias") gap["net." + name] = tensor;
    }
    save_safetensors(folder.path("twice"), twice);
    BOOST_TEST(throws(ErrorKind::usage, {"student. and teacher.", "--prefix student."},
                      [&] { load_network(folder.path("twice"), g.parameters()); }));
    save_safetensors(folder.path("gap"), gap);
    BOOST_TEST(throws(ErrorKind::usage, {"101 of 102", "below net.", "no fc.bias"},
                      [&] { load_network(folder.path("gap"), g.parameters()); }));
    save_safetensors(folder.path("both"), both);  // the names without a prefix win
    BOOST_TEST(load_network(folder.path("both"), g.parameters())
                   .text()
                   .starts_with("102 of 204 tensors matched by our own names; left out: ema."));
}

// An unreadable half-precision tensor is skipped if unused, and named if needed.
BOOST_AUTO_TEST_CASE(only_tensors_that_are_needed_must_be_readable) {
    const TemporaryFolder folder;
    const Graph g = network("resnet18");
    save_safetensors(folder.path("w"), export_parameters(g.parameters()), {});
    const std::string bytes = read_bytes(folder.path("w"));
    uint64_t length = 0;
    std::memcpy(&length, bytes.data(), sizeof length);
    auto header = nlohmann::json::parse(bytes.substr(8, length));
    header.erase("__metadata__");  // and with it the digest
    const auto end = bytes.size() - 8 - length;
    const auto write = [&](const char* name, const nlohmann::json& h, const std::string& more) {
        const std::string text = h.dump();
        uint64_t size = text.size();
        return folder.file(name, std::string(reinterpret_cast<const char*>(&size), 8) + text +
                                     bytes.substr(8 + length) + more);
    };
    auto extra = header;
    extra["mask"] = {{"dtype", "BOOL"}, {"shape", {3}}, {"data_offsets", {end, end + 3}}};
    BOOST_TEST(load_network(write("extra", extra, "abc"), g.parameters()).text() ==
               "102 of 103 tensors matched by our own names; left out: mask");
    auto half = header;
    half["fc.bias"]["dtype"] = "BF16";
    half["fc.bias"]["shape"] = {2 * half["fc.bias"]["shape"][0].get<int>()};
    BOOST_TEST(throws(ErrorKind::data, {"fc.bias is BF16[20]", "needs F32", "convert_weights.py"},
                      [&] { load_network(write("half", half, ""), g.parameters()); }));
}

BOOST_AUTO_TEST_CASE(files_of_pytorch_are_named) {
    const TemporaryFolder folder;
    const Graph g = network("resnet18");
    const std::string zip = folder.file(
        "it's.pth", std::string("PK\3\4") + std::string(26, '\0') + "archive/data.pkl and more");
    BOOST_TEST(throws(ErrorKind::data,
                      {"is a PyTorch checkpoint;", "convert_weights.py '", "it'\\''s.pth' ",
                       "'it'\\''s.safetensors' converts it"},
                      [&] { load_network(zip, g.parameters()); }));
    const std::string old = folder.file("old.pt", "\x80\x02\x8a\nl\xfc\x9c\x46\xf9");
    BOOST_TEST(throws(ErrorKind::data,
                      {"PyTorch checkpoint in the format before 1.6", " old.safetensors converts"},
                      [&] { load_network(old, g.parameters()); }));
}

BOOST_AUTO_TEST_CASE(weights_for_other_images_or_classes_are_named) {
    const TemporaryFolder folder;
    const auto built = [](int64_t channels, int64_t classes) {
        return build_model("resnet18", {{32, 32, channels}, classes, "imagenet"}, Rng(1));
    };
    const auto load = [&](const Graph& from, const Graph& to) {
        save_safetensors(folder.path("w"), export_parameters(from.parameters()));
        return [&] { load_network(folder.path("w"), to.parameters()); };
    };
    const Graph rgb = built(3, 1000), grey = built(1, 10), few = built(3, 10);
    BOOST_TEST(throws(ErrorKind::usage,
                      {"these weights are for 3 channels and 1000 classes, the network here for 1 ",
                       "and 10; give images of 3 channels"},
                      load(rgb, grey)));
    BOOST_TEST(
        throws(ErrorKind::usage, {"for 3 and 10; --num-classes 1000 makes room"}, load(rgb, few)));
    BOOST_TEST(
        throws(ErrorKind::usage, {"3 channels and 10 classes", "as many classes"}, load(few, rgb)));
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_said) {
    const TemporaryFolder folder;
    const Graph g = network("resnet18");
    std::map<std::string, Tensor> tensors = export_parameters(g.parameters());
    tensors["auxiliary.weight"] = Tensor::zeros({3});
    save_safetensors(folder.path("more"), tensors);
    BOOST_TEST(load_network(folder.path("more"), g.parameters()).text() ==
               "102 of 103 tensors matched by our own names; left out: auxiliary.weight");
    tensors.erase("layer2.0.conv1.weight");
    save_safetensors(folder.path("less"), tensors);
    BOOST_TEST(throws(ErrorKind::usage, {"layer2.0.conv1.weight", "another model"},
                      [&] { load_network(folder.path("less"), g.parameters()); }));
    save_safetensors(folder.path("other"), {{"x", Tensor::zeros({3})}});
    BOOST_TEST(throws(ErrorKind::usage, {"timm's", "another model"},
                      [&] { load_network(folder.path("other"), g.parameters()); }));
}

BOOST_AUTO_TEST_SUITE_END()
