// options -- the flags of ./bench.
#pragma once

#include <string>
#include <vector>

#include "run/command_line/flags.h"

namespace gradus {

struct BenchOptions {
    bool step = false;
    bool fake_quantize = false;
    std::string loader;  // folder of photographs whose loading is timed
    std::string model = "resnet18";
    std::string stem = "small";
    double width_mult = 1.0;
    int image_size = 32;
    int batch_size = 128;
    std::string algo = "none";
    std::string hardware = "onnxruntime";
    int bits = 4;
    int threads =
        0;  // 0: every core there is for it. The parser replaces it by 1 for fake_quantize
    int steps = 20;
    int warmup = 3;
    int mebibytes = 256;  // of the tensor of fake_quantize
    bool json = false;
    bool help = false;
    bool version = false;

    std::string answer;  // not empty: print it and end with 0 (--help, --version)
};

// Throws Error(usage) in one line.
BenchOptions parse_bench(int argc, const char* const* argv);
std::vector<Flag> bench_flags(BenchOptions& options);  // the table, bound to the given values

}  // namespace gradus
