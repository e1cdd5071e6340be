// quantizer_probe -- one quantizer outside a network: made from flags, initialised from first
// values or by hand; and its answer to an array.
#pragma once

#include <string>
#include <vector>

#include "quant/quantizer.h"
#include "run/explain/questions.h"

namespace gradus {

struct QuantizerProbe {
    Quantizer quantizer;               // with the parameters in use
    Grid grid;                         // computed from them
    std::vector<std::string> origins;  // of the parameters' values: "set", "from the input", ...
    std::vector<std::string> notes;    // consequences of the flags, a line each
};

// Initialises parameters without --set from `first_values` as in training; `source` names them. A
// setting that does not fit is a usage error, a file that does not fit a data error.
QuantizerProbe make_probe(const QuantizerQuestion& question, const Tensor& first_values,
                          const std::string& source);

struct QuantizerAnswer {
    Tensor codes;  // I32
    Tensor x_hat, dx;
    std::vector<Tensor> parameters;  // gradients of the learned ones, in their order
};
QuantizerAnswer answer(const QuantizerProbe& probe, const Tensor& x, const Tensor& dy);

// "scale": a parameter's name without the quantizer's.
std::string parameter_name(const QuantizerProbe& probe, size_t index);

// F32 [channels]: x_hat = scale (code - zero_point). Not an integer if the offset is real.
Tensor zero_point_in_use(const QuantizerProbe& probe);

// Loads an npy file of F32 or F64 as F32: finite, at least one value.
Tensor load_finite(const std::string& path);

}  // namespace gradus
