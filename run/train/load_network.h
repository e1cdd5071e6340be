// load_network -- the file of --weights: whose names it uses, and below which prefixes.
//
// Wrappers put names in front of those of the network (Lightning's "model.", DataParallel's
// "module.", torch.compile's "_orig_mod.", "backbone." with "head."). They are taken off where that
// makes all tensors match. Where it does not, the message names what the file is for: PyTorch's own
// format, other channels or classes, types that cannot be read.
#pragma once

#include <set>
#include <string>

#include "run/train/checkpoint.h"

namespace gradus {

// What a file of --weights has turned out to be.
struct WeightsMatch {
    std::string scheme;                   // whose names, as models/weight_names.h calls them
    size_t matched = 0, tensors = 0;      // step counters of batch norm count as matched
    std::string left_out;                 // the first tensor that nobody asked for; "" if none
    std::set<std::string> prefixes = {};  // that were taken off: "backbone."

    // "122 of 122 tensors matched by timm's names, without the prefix backbone."
    std::string text() const;
};

// Reads such a file, by the naming scheme that knows the most of it. Error(data): missing, corrupt,
// or of a type that cannot be read; Error(usage): of another model, or of two networks.
WeightsMatch load_network(const std::string& path, const ParameterList& parameters);

}  // namespace gradus
