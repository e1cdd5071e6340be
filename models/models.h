// models -- the networks, built as float graphs without a thought of bits.
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
    double width_mult = 1.0;    // of the channels; 1 for a model that does not scale them
    // In [0, 1), in front of the classifier; else the model's own.
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
// The float network with its first weights. A usage error for an unknown name or stem, and for a
// width of a model that has one only.
Graph build_model(const std::string& name, const ModelOptions& options, const Rng& rng);

// The first layers that a model may have, by name, and auto.
const std::vector<std::string>& stems();
// "auto" means half up to 40 pixels, imagenet above. An unknown name is a usage error.
std::string resolve_stem(const std::string& stem, const Shape& sample_shape);

}  // namespace gradus
