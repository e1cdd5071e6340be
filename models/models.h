// models -- the networks, built as float graphs without a thought of bits.
#pragma once

#include <string>
#include <vector>

#include "nn/graph.h"
#include "tensor/rng.h"

namespace gradus {

struct ModelOptions {
    Shape sample_shape;  // [H, W, C]
    int64_t num_classes = 10;
    std::string stem = "auto";  // imagenet, small, half, auto
};

struct Model {
    const char* name;
    const char* description;
    Graph (*build)(const ModelOptions& options, const Rng& rng);
};

const std::vector<Model>& models();
// An unknown name is a usage error with the list.
const Model& find_model(const std::string& name);

// What "auto" means: half up to 40 pixels, imagenet above. Other names are returned as they are.
std::string resolve_stem(const std::string& stem, const Shape& sample_shape);

}  // namespace gradus
