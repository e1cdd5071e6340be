// questions -- the flags of ./explain.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "run/command_line/flags.h"

namespace gradus {

// ./explain quantizer
struct QuantizerQuestion {
    static constexpr int per_tensor = -9;  // below every axis

    std::string algo = "lsq";
    std::string role = "activation";
    int bits = 4;
    bool is_unsigned = false;
    bool narrow = false;
    bool asymmetric = false;
    bool power_of_two = false;
    int channel_axis = per_tensor;
    std::vector<std::string> set;  // "name=value", "name=file.npy"
    std::string calibration = "auto";
    std::string reading = "paper";
    std::string dsq_form = "auto";  // soft, or ste where the released code is read
    std::string simulate = "qdq";
    double gradient_scale = -1.0;  // -1: the algorithm's own
    std::string input;             // empty: the staircase
    std::string grad;              // empty: ones
    std::string output;            // empty: write nothing
    bool json = false;
    bool help = false;

    std::string answer;  // not empty: print it and end with 0 (--help)
};

constexpr int kUnsetCode = -1 << 20;  // below every code

// Options of all topics about rules: how many steps to show, where to write codes.
struct RuleQuestion {
    int64_t rows = 8;
    std::string output;  // empty: write nothing
    bool json = false;
    bool help = false;

    std::string answer;  // as above
};

// ./explain requantize
struct RequantizeQuestion : RuleQuestion {
    std::string rule;      // or
    std::string hardware;  // the row whose rule applies
    std::string accumulators;
    double input_scale = -1.0;  // negative: missing
    std::string weight_scale;   // a number or a file
    double output_scale = -1.0;
    int zero_point = 0;
    int qmin = kUnsetCode, qmax = kUnsetCode;  // by default the hardware's 8-bit activations'
    std::string bias;                          // empty: none
};

// ./explain add
struct AddQuestion : RuleQuestion {
    std::string hardware = "onnxruntime";
    std::string lhs, rhs;
    std::string scales;                        // "0.1,0.2,0.3"
    std::string zero_points = "0,0,0";         // likewise
    int qmin = kUnsetCode, qmax = kUnsetCode;  // the hardware's 8-bit activations'
};

// ./explain average
struct AverageQuestion : RuleQuestion {
    std::string hardware = "onnxruntime";
    bool windows = false;  // the rule of windows, else that of global averages
    std::string sums;      // or
    std::string codes;     // of whole windows
    int count = 0;         // 0: missing
    double scale = -1.0;   // negative: missing
    int zero_point = 0;
    int qmin = kUnsetCode, qmax = kUnsetCode;  // the hardware's 8-bit activations'
};

// argv[0] is the topic. Throw Error(usage) in one line.
QuantizerQuestion parse_quantizer_question(int argc, const char* const* argv);
RequantizeQuestion parse_requantize_question(int argc, const char* const* argv);
AddQuestion parse_add_question(int argc, const char* const* argv);
AverageQuestion parse_average_question(int argc, const char* const* argv);

// The tables, bound to the given values.
std::vector<Flag> quantizer_question_flags(QuantizerQuestion& question);
std::vector<Flag> requantize_question_flags(RequantizeQuestion& question);
std::vector<Flag> add_question_flags(AddQuestion& question);
std::vector<Flag> average_question_flags(AverageQuestion& question);

}  // namespace gradus
