// weight_names -- other projects' names for the parameters of our networks.
//
// Ours are torchvision's names (ResNet, MobileNetV2, RegNetX) and timm's (EfficientNet-Lite). A
// scheme translates from our name to that in the file, so that an unknown name is simply not found.
//
// source     timm (resnet, regnetx, mobilenetv2, efficientnet_lite), pycls and MQBench (RegNet;
//            MobileNetV2 with flat blocks), PyPI's efficientnet-lite-pytorch
#pragma once

#include <map>
#include <string>
#include <vector>

#include "nn/graph.h"

namespace gradus {

struct NamingScheme {
    const char* name;  // "timm", for messages
    // `block`: the index of the inverted residual in the network, from 0; -1 for none.
    std::string (*translate)(const std::string& ours, int block);
};

const std::vector<NamingScheme>& naming_schemes();

// The names of all parameters in a scheme: ours to theirs.
std::map<std::string, std::string> names_in(
    const NamingScheme& scheme, const std::vector<std::shared_ptr<Parameter>>& parameters);

// Counters of training steps that PyTorch's batch norm saves next to its statistics.
bool is_step_counter(const std::string& name);

}  // namespace gradus
