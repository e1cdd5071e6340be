// load_network -- reads the file of --weights: finds its naming scheme and its prefixes.
//
// Wrappers prefix the network's names (Lightning's "model.", DataParallel's "module.",
// torch.compile's "_orig_mod.", "backbone." with "head."). Prefixes are removed if all tensors then
// match. If not, the message says why the file does not fit: PyTorch's own format, other channels
// or classes, types that cannot be read.
#pragma once

#include <set>
#include <string>

#include "run/train/checkpoint.h"

namespace gradus {

// How the tensors of a --weights file matched the network.
struct WeightsMatch {
    std::string scheme;               // the naming scheme, as models/weight_names.h calls it
    size_t matched = 0, tensors = 0;  // step counters of batch norm count as matched
    std::string left_out;             // the first tensor that the network does not have; "" if none
    std::set<std::string> prefixes = {};  // removed: "backbone."

    // "122 of 122 tensors matched by timm's names, without the prefix backbone."
    std::string text() const;
};

// Reads a file by the naming scheme that matches most of it. Error(data): missing, corrupt, or of a
// type that cannot be read; Error(usage): of another model, or of two networks.
WeightsMatch load_network(const std::string& path, const ParameterList& parameters);

}  // namespace gradus
