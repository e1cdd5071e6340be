// options -- the flags of ./train. One table of flags is the parser, the help page, the run header,
// run.json and config.toml; this struct holds the values and their defaults.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "quant/hardware.h"
#include "run/command_line/flags.h"

namespace gradus {

// Empty or 0 means "left open" where the comment says so.
struct Options {
    // network
    std::string model = "resnet18";
    std::string stem = "imagenet";  // measured best for the default run, docs/results
    double width_mult = 1.0;        // scales the channels, in models that support it
    double dropout = -1.0;          // before the classifier; -1: the model's own
    int image_size = 0;             // 0: the data set's
    int num_classes = 0;            // 0: the data set's
    int channels = 0;               // of the images; 0: the data set's
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
    std::string reading = "paper";     // if MQBench's paper and code disagree
    std::string dsq_form = "auto";     // soft, or ste; auto: ste with --reading code
    std::string calibration = "auto";  // auto: the algorithm's own first values
    std::string weight_calibration;    // resolved by the parser, as the algorithms
    std::string activation_calibration;
    int calibration_images = 512;
    bool equalize = false;      // evens out channel ranges before calibration
    std::string ptq = "none";   // reconstruction after calibration: adaround, brecq, qdrop
    int64_t ptq_steps = 1000;   // for each unit
    int ptq_images = 0;         // 0: --calibration-images
    bool correct_bias = false;  // after calibration and reconstruction
    bool reestimate_bn = false;
    int freeze_bn_epoch = -1;  // quantized epochs before batch norm's statistics freeze; -1: never
    double quantizer_lr_multiplier = 1.0;
    double quantizer_weight_decay = -1.0;  // negative: --weight-decay

    // data
    std::string dataset = "auto";
    std::string data_path;
    std::string interpolation = "auto";  // bilinear, bicubic; auto: as the model's family
    double crop_pct = 0.875;             // of the test images' shorter side
    std::string normalize = "auto";      // auto: the data set's, or the model's on photographs
    std::string on_bad_image = "stop";   // or skip

    bool flip = true;      // mirror training images if the data set allows it
    int crop_padding = 0;  // pixels around a training image before a random crop
    double brightness = 0, contrast = 0, saturation = 0, hue = 0;  // largest random changes

    // training
    int epochs = 2;        // quantized
    int float_epochs = 2;  // float epochs before them
    int batch_size = 128;
    double lr = 0.03;       // peak of the quantized phase
    double float_lr = 0.1;  // peak of the float phase
    double momentum = 0.9;
    double weight_decay = 5e-4;
    double norm_weight_decay = -1.0;  // of batch norm; negative: --weight-decay
    double warmup_epochs = 0.3;
    double label_smoothing = 0.1;
    std::string opt = "sgd";
    bool nesterov = true;
    int64_t max_steps = 0;  // per phase; 0: no limit
    uint64_t seed = 1;

    // machine and bookkeeping
    int threads = 0;  // 0: the cores that the process may use
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

// Applies defaults, then the file of --config (or the config.toml of the run that --resume names),
// then the command line. Throws Error(usage) in one line. With --resume, `output` is the resumed
// folder, and a flag that would change the run's results is refused.
Options parse_train(int argc, const char* const* argv);

// The options of the run in `folder`, from its config.toml. Error(data): missing.
Options options_of_run(const std::string& folder);

// The table, bound to the given values.
std::vector<Flag> train_flags(Options& options);

std::string options_json(const Options& options);  // one object, every option, numbers as numbers
std::string config_toml(const Options& options);   // read again by --config
std::vector<std::string> header_lines(const Options& options);

// MQBench's numbers of the folding strategies: -1 none, 0 merge, 1 freeze, 2 naive, 3 whitepaper, 4
// torch. "auto" takes the hardware row's. Error(usage) if the target does not support it.
int resolve_bn_fold(const Options& options, const Hardware& hardware);

}  // namespace gradus
