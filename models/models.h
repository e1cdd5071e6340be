// models -- the networks, built as float graphs without quantizers.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "nn/graph.h"
#include "tensor/rng.h"

namespace gradus {

struct ModelOptions {
    Shape sample_shape;  // [H, W, C]
    int64_t num_classes = 10;
    std::string stem = "auto";  // imagenet, half, small, auto: see models/reductions.h
    double width_mult = 1.0;    // scales the channels; 1 for a model with fixed ones
    // In [0, 1), before the classifier; empty: the model's own.
    std::optional<double> dropout = {};
};

using BuildModel = std::function<Graph(const ModelOptions& options, const Rng& rng)>;

struct Model {
    const char* name;
    const char* description;
    BuildModel build;
    bool has_dropout = false;
    bool scales_width = false;
};

const std::vector<Model>& models();
// An unknown name is a usage error with the list.
const Model& find_model(const std::string& name);
// The float network with its initial weights. Error(usage) for an unknown name or stem, or a width
// of a model that does not scale.
Graph build_model(const std::string& name, const ModelOptions& options, const Rng& rng);

// The names of stems (the first layers of a model), and auto.
const std::vector<std::string>& stems();
// "auto" means half up to 40 pixels, imagenet above. An unknown name is a usage error.
std::string resolve_stem(const std::string& stem, const Shape& sample_shape);

}  // namespace gradus
