// options -- what a user may ask of the programs. One table of flags is the parser, the help page,
// the run header, run.json and config.toml; this struct holds the values and their defaults.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "quant/hardware.h"
#include "run/flags.h"

namespace gradus {

// ./train. Empty or 0 means "left open" where the comment says so.
struct Options {
    // network
    std::string model = "resnet18";
    std::string stem = "imagenet";  // measured best for the default run, docs/results
    double width_mult = 1.0;        // of the channels, where the model scales them
    int image_size = 0;             // 0: as the data set
    int num_classes = 0;            // 0: as the data set
    std::string weights;            // empty: train the float network first

    // quantization
    std::string algo = "lsq";
    std::string hardware = "onnxruntime";
    std::string simulate = "exact";
    std::string accumulator = "exact";
    int bits = 4;
    int weight_bits = 0;      // resolved by the parser: --weight-bits, else --bits
    int activation_bits = 0;  // resolved by the parser: --activation-bits, else --bits
    std::string bn_fold = "auto";
    std::string weight_algo;           // resolved by the parser: --weight-algo, else --algo
    std::string activation_algo;       // likewise
    std::string reading = "paper";     // where MQBench's paper and code disagree
    std::string dsq_form = "auto";     // soft, or ste by --reading code
    std::string calibration = "auto";  // auto: the algorithm's own first values
    std::string weight_calibration;    // resolved by the parser, as the algorithms
    std::string activation_calibration;
    int calibration_images = 512;
    bool equalize = false;      // ranges of channels, before calibration
    std::string ptq = "none";   // reconstruction after calibration: adaround, brecq, qdrop
    int64_t ptq_steps = 1000;   // of each unit
    int ptq_images = 0;         // 0: --calibration-images
    bool correct_bias = false;  // after calibration and reconstruction
    bool reestimate_bn = false;
    int freeze_bn_epoch = -1;  // quantized epochs before batch norm's statistics freeze; -1: never
    double quantizer_lr_multiplier = 1.0;
    double quantizer_weight_decay = -1.0;  // below 0: --weight-decay

    // data
    std::string dataset = "auto";
    std::string data_path;
    std::string interpolation = "auto";  // bilinear, bicubic; auto: as the model's family
    double crop_pct = 0.875;             // of the test images' shorter side
    std::string normalize = "auto";      // auto: the data set's, or the model's on photographs
    std::string on_bad_image = "stop";   // or skip

    bool flip = true;      // mirror training images where the data set allows it
    int crop_padding = 0;  // pixels around a training image before a random crop
    double brightness = 0, contrast = 0, saturation = 0, hue = 0;  // largest random changes

    // training
    int epochs = 2;        // quantized
    int float_epochs = 2;  // before them, in float
    int batch_size = 128;
    double lr = 0.03;       // peak of the quantized phase
    double float_lr = 0.1;  // peak of the float phase
    double momentum = 0.9;
    double weight_decay = 5e-4;
    double norm_weight_decay = -1.0;  // of batch norm; below 0: --weight-decay
    double warmup_epochs = 0.3;
    double label_smoothing = 0.1;
    std::string opt = "sgd";
    bool nesterov = true;
    int64_t max_steps = 0;  // per phase; 0: no limit
    uint64_t seed = 1;

    // machine and bookkeeping
    int threads = 0;  // 0: every core
    std::string device = "auto";
    int log_interval = 50;  // steps
    int save_every = 200;   // steps; 0: only after each epoch

    // this call only; never part of config.toml
    std::string output;  // empty: runs/<time>-<model>-<algo>-<hardware>
    std::string resume;  // the parser replaces "auto" by the folder it found
    std::string config;
    bool summary = false;
    bool show_graph = false;
    std::string dot;  // file for Graphviz
    bool json = false;
    bool dry_run = false;
    bool quiet = false;
    bool no_progress = false;
    bool list_models = false;
    bool list_algos = false;
    bool list_datasets = false;
    bool list_hardware = false;
    bool help = false;
    bool help_all = false;
    bool version = false;

    std::set<std::string> given;  // the flags on the command line, by their names
    std::string answer;  // not empty: print it and end with 0 (--help, --help-all, --version)
};

// ./bench
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
    int threads = 0;  // 0: every core. The parser replaces it by 1 for fake_quantize
    int steps = 20;
    int warmup = 3;
    int mebibytes = 256;  // of the tensor of fake_quantize
    bool json = false;
    bool help = false;
    bool version = false;

    std::string answer;  // as above
};

// ./deploy
struct DeployOptions {
    std::string run;              // the folder; the one argument without a flag
    std::string hardware;         // empty: the run's
    std::string data_path;        // empty: the run's
    int64_t images = -1;          // below 0: all, or 4 for a golden bundle
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
    int threads = 0;              // 0: every core
    bool json = false;
    bool help = false;
    bool version = false;

    std::string answer;  // as above
};

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

    std::string answer;  // as above
};

constexpr int kUnsetCode = -1 << 20;  // below every code

// What the three questions about rules share: which steps are shown, where codes are written.
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
    std::string hardware;  // whose rule it is
    std::string accumulators;
    double input_scale = -1.0;  // below 0: missing
    std::string weight_scale;   // a number or a file
    double output_scale = -1.0;
    int zero_point = 0;
    int qmin = kUnsetCode, qmax = kUnsetCode;  // with a hardware its 8-bit activations'
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
    std::string sums;
    int count = 0;        // 0: missing
    double scale = -1.0;  // below 0: missing
    int zero_point = 0;
    int qmin = kUnsetCode, qmax = kUnsetCode;  // the hardware's 8-bit activations'
};

// Defaults, then the file of --config (or the config.toml of the run that --resume names), then the
// command line. Throws Error(usage) in one line. With --resume, `output` is the resumed folder, and
// a flag that would change what the run computes is refused.
Options parse_train(int argc, const char* const* argv);
BenchOptions parse_bench(int argc, const char* const* argv);
DeployOptions parse_deploy(int argc, const char* const* argv);
QuantizerQuestion parse_quantizer_question(int argc,
                                           const char* const* argv);  // argv[0]: the topic
RequantizeQuestion parse_requantize_question(int argc, const char* const* argv);
AddQuestion parse_add_question(int argc, const char* const* argv);
AverageQuestion parse_average_question(int argc, const char* const* argv);

// What the run in `folder` was made with: its config.toml. Error(data): there is none.
Options options_of_run(const std::string& folder);

// The tables, bound to the given values.
std::vector<Flag> train_flags(Options& options);
std::vector<Flag> bench_flags(BenchOptions& options);
std::vector<Flag> deploy_flags(DeployOptions& options);
std::vector<Flag> quantizer_question_flags(QuantizerQuestion& question);
std::vector<Flag> requantize_question_flags(RequantizeQuestion& question);
std::vector<Flag> add_question_flags(AddQuestion& question);
std::vector<Flag> average_question_flags(AverageQuestion& question);

std::string options_json(const Options& options);  // one object, every option, numbers as numbers
std::string config_toml(const Options& options);   // read again by --config
std::vector<std::string> header_lines(const Options& options);

// MQBench's numbers of the folding strategies: -1 none, 0 merge, 1 freeze, 2 naive, 3 whitepaper,
// 4 torch. "auto" is what the hardware's row says. What the target cannot do is refused.
int resolve_bn_fold(const Options& options, const Hardware& hardware);

}  // namespace gradus
