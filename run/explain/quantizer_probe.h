// quantizer_probe -- one quantizer outside a network: made from flags, started from first values,
// its parameters set by hand; and what it answers to an array.
#pragma once

#include <string>
#include <vector>

#include "quant/quantizer.h"
#include "run/explain/questions.h"

namespace gradus {

struct QuantizerProbe {
    Quantizer quantizer;               // parameters as they are used
    Grid grid;                         // made of them
    std::vector<std::string> origins;  // of the parameters' values: "set", "from the input", ...
    std::vector<std::string> notes;    // what the flags imply, a line each
};

// Parameters that are not --set start from `first_values` as in training; `source` names them. A
// setting that does not fit is a usage error, a file that does not fit a data error.
QuantizerProbe make_probe(const QuantizerQuestion& question, const Tensor& first_values,
                          const std::string& source);

struct QuantizerAnswer {
    Tensor codes;  // I32
    Tensor x_hat, dx;
    std::vector<Tensor> parameters;  // gradients of the learned ones, in their order
};
QuantizerAnswer answer(const QuantizerProbe& probe, const Tensor& x, const Tensor& dy);

// "scale": the name of a parameter without that of the quantizer.
std::string parameter_name(const QuantizerProbe& probe, size_t index);

// F32 [channels]: x_hat = scale (code - zero_point). Not an integer where the offset is real.
Tensor zero_point_in_use(const QuantizerProbe& probe);

// Finite F32, at least one, from an npy file of F32 or F64.
Tensor load_finite(const std::string& path);

}  // namespace gradus
