// equalize -- cross-layer equalization: evens out channel ranges between two layers by moving a
// factor from one layer to the next. The float network computes the same function.
//
//   r1[c] = range of the filters that make channel c, r2[c] = range of the weights that read it
//   e[c]  = sqrt(r1 r2) / r2, within [1e-6, 1e6];  1 where r1 + r2 < 0.5, or one of them is 0
//   layer 1 / e (its batch norm's gamma and beta, else weight and bias), layer 2 * e
//
// A range is 2 max|w| of the weights as they are folded (w gamma / sigma). ReLU lets a positive
// factor through, ReLU6 does not. Repeated until no factor is far from 1.
// source     Nagel et al., Data-free quantization through weight equalization and bias correction,
//            ICCV 2019 (arXiv 1906.04721), section 4.1; MQBench 2.8
// exactness  rounded: the same function to about 1e-5
// tests      tests/equalize_test.cc
#pragma once

#include <string>
#include <vector>

#include "nn/graph.h"

namespace gradus {

struct EqualizedPair {
    std::string first, second;
    // Largest over smallest range of a channel, in the layer with the larger ratio.
    double spread_before = 1.0, spread_after = 1.0;
};

struct Equalization {
    std::vector<EqualizedPair> pairs;
    std::vector<std::string> skipped;  // "conv1: two layers read it"
};

// Changes the parameters of `network` in place.
Equalization equalize(const Graph& network);

}  // namespace gradus
