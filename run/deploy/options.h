// options -- the flags of ./deploy.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "run/command_line/flags.h"

namespace gradus {

struct DeployOptions {
    std::string run;              // the folder; the one argument without a flag
    std::string hardware;         // empty: the run's
    std::string data_path;        // empty: the run's
    int64_t images = -1;          // negative: all, or 4 for a golden bundle
    bool gap = false;             // measure the float simulation too
    std::string golden;           // write a bundle here
    std::string logits;           // write the logits of every image here
    std::string verify;           // replay the bundle here, instead of a run
    std::string onnx;             // write an ONNX file here,
    std::string target;           // for this runtime; empty: onnxruntime
    std::string form;             // qdq or qoperator; empty: qdq
    std::string encodings;        // write AIMET's encodings here
    std::string tensorrt_ranges;  // write dynamic ranges here
    bool layers = true;           // the table of layers
    int threads = 0;              // 0: the cores that the process may use
    bool json = false;
    bool help = false;
    bool version = false;

    std::set<std::string> given;  // the flags on the command line, by their names
    std::string answer;           // not empty: print it and end with 0 (--help, --version)
};

// Throws Error(usage) in one line.
DeployOptions parse_deploy(int argc, const char* const* argv);
std::vector<Flag> deploy_flags(DeployOptions& options);  // the table, bound to the given values

}  // namespace gradus
