#include "models/weight_names.h"

#include <array>
#include <regex>

#include "tensor/check.h"

namespace gradus {

namespace {

struct Rewrite {
    std::regex from;  // of the whole name
    std::string to;   // $1 as in std::regex_replace
};

// Applies the first rule that matches; a name without a rule stays.
std::string rewritten(const std::string& name, const std::vector<Rewrite>& rules) {
    for (const Rewrite& rule : rules) {
        if (std::regex_match(name, rule.from)) {
            return std::regex_replace(name, rule.from, rule.to);
        }
    }
    return name;
}

std::string unchanged(const std::string& ours, int) {
    return ours;
}

// torchvision numbers the blocks of a RegNet stage from 0, everyone else from 1.
std::string with_stages_from_one(const std::string& ours) {
    static const std::regex block(R"(trunk_output\.block(\d+)\.block\d+-(\d+)\.(.*))");
    std::smatch parts;
    if (!std::regex_match(ours, parts, block)) return ours;
    return join('s', parts[1], ".b", std::stoi(parts[2]) + 1, '.', parts[3]);
}

std::string pycls_regnet(const std::string& ours, int) {
    static const std::vector<Rewrite> rules{
        {std::regex(R"(stem\.0\.(.*))"), "stem.conv.$1"},
        {std::regex(R"(stem\.1\.(.*))"), "stem.bn.$1"},
        {std::regex(R"((s\d+\.b\d+\.f\.[abc])\.0\.(.*))"), "$1.$2"},
        {std::regex(R"((s\d+\.b\d+\.f\.[abc])\.1\.(.*))"), "$1_bn.$2"},
        {std::regex(R"((s\d+\.b\d+)\.proj\.0\.(.*))"), "$1.proj.$2"},
        {std::regex(R"((s\d+\.b\d+)\.proj\.1\.(.*))"), "$1.bn.$2"},
        {std::regex(R"(fc\.(.*))"), "head.fc.$1"}};
    return rewritten(with_stages_from_one(ours), rules);
}

// timm's stages: the stage, and the block in it, of inverted residual `block`.
std::string mobilenet_block(int block) {
    constexpr std::array<int, 7> depths{1, 2, 3, 4, 3, 3, 1};  // Sandler et al., table 2
    int stage = 0;
    while (stage < 6 && block >= depths[stage]) block -= depths[stage++];
    return join("blocks.", stage, '.', block);
}

std::string timm_mobilenet(const std::string& ours, int block) {
    static const std::vector<Rewrite> rules{
        {std::regex(R"(features\.0\.0\.(.*))"), "conv_stem.$1"},
        {std::regex(R"(features\.0\.1\.(.*))"), "bn1.$1"},
        {std::regex(R"(features\.18\.0\.(.*))"), "conv_head.$1"},
        {std::regex(R"(features\.18\.1\.(.*))"), "bn2.$1"},
        {std::regex(R"(classifier\.1\.(.*))"), "classifier.$1"},
        {std::regex(R"(features\.1\.conv\.0\.0\.(.*))"), "@.conv_dw.$1"},
        {std::regex(R"(features\.1\.conv\.0\.1\.(.*))"), "@.bn1.$1"},
        {std::regex(R"(features\.1\.conv\.1\.(.*))"), "@.conv_pw.$1"},
        {std::regex(R"(features\.1\.conv\.2\.(.*))"), "@.bn2.$1"},
        {std::regex(R"(features\.\d+\.conv\.0\.0\.(.*))"), "@.conv_pw.$1"},
        {std::regex(R"(features\.\d+\.conv\.0\.1\.(.*))"), "@.bn1.$1"},
        {std::regex(R"(features\.\d+\.conv\.1\.0\.(.*))"), "@.conv_dw.$1"},
        {std::regex(R"(features\.\d+\.conv\.1\.1\.(.*))"), "@.bn2.$1"},
        {std::regex(R"(features\.\d+\.conv\.2\.(.*))"), "@.conv_pwl.$1"},
        {std::regex(R"(features\.\d+\.conv\.3\.(.*))"), "@.bn3.$1"}};
    const std::string name = rewritten(ours, rules);
    return name[0] == '@' ? mobilenet_block(block) + name.substr(1) : name;
}

std::string timm_regnet(const std::string& ours) {
    static const std::vector<Rewrite> rules{
        {std::regex(R"(stem\.0\.(.*))"), "stem.conv.$1"},
        {std::regex(R"(stem\.1\.(.*))"), "stem.bn.$1"},
        {std::regex(R"((s\d+\.b\d+)\.f\.a\.0\.(.*))"), "$1.conv1.conv.$2"},
        {std::regex(R"((s\d+\.b\d+)\.f\.a\.1\.(.*))"), "$1.conv1.bn.$2"},
        {std::regex(R"((s\d+\.b\d+)\.f\.b\.0\.(.*))"), "$1.conv2.conv.$2"},
        {std::regex(R"((s\d+\.b\d+)\.f\.b\.1\.(.*))"), "$1.conv2.bn.$2"},
        {std::regex(R"((s\d+\.b\d+)\.f\.c\.0\.(.*))"), "$1.conv3.conv.$2"},
        {std::regex(R"((s\d+\.b\d+)\.f\.c\.1\.(.*))"), "$1.conv3.bn.$2"},
        {std::regex(R"((s\d+\.b\d+)\.proj\.0\.(.*))"), "$1.downsample.conv.$2"},
        {std::regex(R"((s\d+\.b\d+)\.proj\.1\.(.*))"), "$1.downsample.bn.$2"},
        {std::regex(R"(fc\.(.*))"), "head.fc.$1"}};
    return rewritten(with_stages_from_one(ours), rules);
}

std::string timm(const std::string& ours, int block) {
    return ours.rfind("features.", 0) == 0 || ours.rfind("classifier.1.", 0) == 0
               ? timm_mobilenet(ours, block)
               : timm_regnet(ours);
}

// MobileNetV2 in MQBench: one list of the layers of a block, activations among them.
std::string mqbench_mobilenet(const std::string& ours, int) {
    static const std::vector<Rewrite> rules{
        {std::regex(R"(features\.1\.conv\.0\.([01])\.(.*))"), "features.1.conv.$1.$2"},
        {std::regex(R"(features\.1\.conv\.1\.(.*))"), "features.1.conv.3.$1"},
        {std::regex(R"(features\.1\.conv\.2\.(.*))"), "features.1.conv.4.$1"},
        {std::regex(R"((features\.\d+\.conv)\.0\.([01])\.(.*))"), "$1.$2.$3"},
        {std::regex(R"((features\.\d+\.conv)\.1\.0\.(.*))"), "$1.3.$2"},
        {std::regex(R"((features\.\d+\.conv)\.1\.1\.(.*))"), "$1.4.$2"},
        {std::regex(R"((features\.\d+\.conv)\.2\.(.*))"), "$1.6.$2"},
        {std::regex(R"((features\.\d+\.conv)\.3\.(.*))"), "$1.7.$2"}};
    return rewritten(ours, rules);
}

// Numbers blocks through all stages.
std::string efficientnet_lite_pytorch(const std::string& ours, int block) {
    static const std::vector<Rewrite> rules{
        {std::regex(R"(conv_stem\.(.*))"), "_conv_stem.$1"},
        {std::regex(R"(bn1\.(.*))"), "_bn0.$1"},
        {std::regex(R"(conv_head\.(.*))"), "_conv_head.$1"},
        {std::regex(R"(bn2\.(.*))"), "_bn1.$1"},
        {std::regex(R"(classifier\.(.*))"), "_fc.$1"},
        {std::regex(R"(blocks\.0\.\d+\.conv_dw\.(.*))"), "@._depthwise_conv.$1"},
        {std::regex(R"(blocks\.0\.\d+\.bn1\.(.*))"), "@._bn1.$1"},
        {std::regex(R"(blocks\.0\.\d+\.conv_pw\.(.*))"), "@._project_conv.$1"},
        {std::regex(R"(blocks\.0\.\d+\.bn2\.(.*))"), "@._bn2.$1"},
        {std::regex(R"(blocks\.\d+\.\d+\.conv_pw\.(.*))"), "@._expand_conv.$1"},
        {std::regex(R"(blocks\.\d+\.\d+\.bn1\.(.*))"), "@._bn0.$1"},
        {std::regex(R"(blocks\.\d+\.\d+\.conv_dw\.(.*))"), "@._depthwise_conv.$1"},
        {std::regex(R"(blocks\.\d+\.\d+\.bn2\.(.*))"), "@._bn1.$1"},
        {std::regex(R"(blocks\.\d+\.\d+\.conv_pwl\.(.*))"), "@._project_conv.$1"},
        {std::regex(R"(blocks\.\d+\.\d+\.bn3\.(.*))"), "@._bn2.$1"}};
    const std::string name = rewritten(ours, rules);
    return name[0] == '@' ? join("_blocks.", block, name.substr(1)) : name;
}

// "features.3" or "blocks.1.0": an inverted residual; "" for parameters outside of one.
std::string block_of(const std::string& name) {
    static const std::regex block(R"((features\.\d+)\.conv\..*|(blocks\.\d+\.\d+)\..*)");
    std::smatch parts;
    if (!std::regex_match(name, parts, block)) return "";
    return parts[1].matched ? parts[1] : parts[2];
}

}  // namespace

const std::vector<NamingScheme>& naming_schemes() {
    static const std::vector<NamingScheme> schemes{
        {"our own", unchanged},
        {"timm's", timm},
        {"pycls's and MQBench's", pycls_regnet},
        {"MQBench's", mqbench_mobilenet},
        {"efficientnet-lite-pytorch's", efficientnet_lite_pytorch},
    };
    return schemes;
}

std::map<std::string, std::string> names_in(
    const NamingScheme& scheme, const std::vector<std::shared_ptr<Parameter>>& parameters) {
    std::map<std::string, std::string> names;
    std::map<std::string, int> blocks;
    for (const auto& parameter : parameters) {
        const std::string block = block_of(parameter->name);
        const int index =
            block.empty()
                ? -1
                : blocks.try_emplace(block, static_cast<int>(blocks.size())).first->second;
        names[parameter->name] = scheme.translate(parameter->name, index);
    }
    return names;
}

bool is_step_counter(const std::string& name) {
    const std::string end = "num_batches_tracked";
    return name.size() >= end.size() &&
           name.compare(name.size() - end.size(), end.size(), end) == 0;
}

}  // namespace gradus
