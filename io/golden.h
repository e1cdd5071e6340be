// golden -- a bundle with the inputs and outputs of every layer of a Program, for those who build
// kernels and chips: plain .npy files that can be replayed without Gradus.
//
//   manifest.json            describes the files: program, layers, rules, grids, hashes
//   SHA256SUMS               every file and the manifest; `sha256sum -c` reads it
//   images.npy, logits.npy   [N, H, W, C] as normalised floats, [N, classes]
//   003_layer1.0.conv1/      a folder for each instruction, in program order
//     input.npy              its input, N H W C; a second operand is input_2.npy
//     weight.npy             O KH KW I; bias.npy, multiplier.npy, ...: the constants of its rule
//     accumulator.npy        int32, where it has accumulators (integer/execute.h)
//     output.npy             N H W C
//     ties_*.npy             vectors on both sides of every step of a code (integer/ties.h)
//
// docs/golden.md says everything that a reader without this source needs. Every constant that a
// rule reads has its file, also where it changes nothing.
//
// A bundle appears whole or not at all. It is bound to its rules by their names
// (quant/requantize.h, quant/residual_add.h, quant/average.h), so a bundle outlives the order of an
// enumeration.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "integer/program.h"
#include "quant/prepare.h"

namespace gradus {

// Facts of the network and of the program that wrote the bundle: entries of the manifest.
using GoldenFacts = std::map<std::string, std::string>;

// Called after every layer; an exception stops the work, and no part of the bundle remains.
using GoldenStep = std::function<void()>;

// Error(usage) if `folder` holds anything that does not belong to an earlier bundle.
void check_golden_folder(const std::string& folder);

// Runs the Program on images [N, H, W, C] by the readable kernel and writes the bundle; replaces an
// earlier one.
void save_golden(const std::string& folder, const QuantizedModel& model, const Program& program,
                 const Tensor& images, const GoldenFacts& facts, const GoldenStep& step = nullptr);

// One layer, replayed from its files.
struct GoldenLayer {
    std::string folder;  // "003_layer1.0.conv1"
    std::string op;
    bool replayed = false;   // float layers are not: their bits depend on the machine
    std::string difference;  // the first element that differs; "" if none does
};

// Reads a bundle and replays it layer by layer with the readable kernel: accumulators, outputs, tie
// vectors, and that each input is the output of an earlier layer. Numbers of the manifest that no
// replay checks are compared with values derived from the others (io/golden_numbers.h). Stops after
// the first layer that differs. Error(data), naming the file: missing, damaged, or not as the
// manifest describes it.
std::vector<GoldenLayer> verify_golden(const std::string& folder, const GoldenStep& step = nullptr);

}  // namespace gradus
