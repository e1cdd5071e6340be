#include "run/bench/options.h"

#include <set>

#include "models/models.h"
#include "run/command_line/flag_table.h"
#include "run/command_line/parse.h"
#include "run/version.h"
#include "tensor/check.h"

namespace gradus {

namespace {

const char* const kBenchUsage =
    "Measures a training step, fake quantization next to memcpy, or the loading of photographs.\n"
    "usage: ./bench --step [flags]\n"
    "       ./bench --fake-quantize [flags]\n"
    "       ./bench --loader DIR [flags]      DIR: train/<class>/*.jpg, val/<class>/*.jpg\n";

}  // namespace

std::vector<Flag> bench_flags(BenchOptions& o) {
    FlagTable table;
    const auto add = [&](const char* names, FlagTarget target, const char* help) -> Flag& {
        return table.add(names, target, help).used_for(FlagUse::call).on_first_page();
    };
    add("--step", &o.step, "time whole training steps");
    add("--fake-quantize", &o.fake_quantize, "time the quantizers' kernels next to memcpy");
    add("--loader", &o.loader,
        "time decoding, cropping and normalising the photographs in a folder")
        .shown_as("DIR");
    add("--model", &o.model, "network");
    add("--stem", &o.stem, "first layers").one_of(stems());
    add("--width-mult", &o.width_mult, "times the channels, where the model scales them")
        .range(0.05, 20);
    add("--image-size,--img-size", &o.image_size, "pixels a side").range(1, 4096);
    add("-b,--batch-size", &o.batch_size, "images a step").range(1, 1 << 20);
    add("--algo", &o.algo, "none: float; else quantized by it");
    add("--hardware,--backend", &o.hardware, "target of the quantization");
    add("--bits", &o.bits, "of weights and activations").range(2, 8);
    add("--mebibytes", &o.mebibytes, "of the float tensor of --fake-quantize").range(1, 1 << 16);
    add("--threads", &o.threads, "0: the cores it may use; --fake-quantize has 1 unless told")
        .range(0, 1024);
    add("--steps", &o.steps, "steps, or repeats, that are timed").range(1, 1e9);
    add("--warmup", &o.warmup, "steps before them").range(0, 1e9);
    add("--json", &o.json, "one JSON object instead of a table");
    add("-h,--help", &o.help, "this page").used_for(FlagUse::question);
    add("--version", &o.version, "version and build").used_for(FlagUse::question);
    return table.take();
}

BenchOptions parse_bench(int argc, const char* const* argv) {
    BenchOptions options;
    const std::set<std::string> given = set_from_arguments(bench_flags(options), argc, argv);
    if (options.version) options.answer = version_line() + "\n";
    if (options.help) {
        BenchOptions defaults;
        options.answer = help_text(kBenchUsage, bench_flags(defaults), false);
    }
    if (!options.answer.empty()) return options;
    const int asked = options.step + options.fake_quantize + !options.loader.empty();
    check_kind(asked >= 1, ErrorKind::usage,
               "nothing to measure; add --step, --fake-quantize or --loader DIR (see --help)");
    check_kind(asked == 1, ErrorKind::usage,
               "--step, --fake-quantize and --loader are measurements of their own; drop one");
    if (options.fake_quantize && !given.contains("threads")) options.threads = 1;
    return options;
}

}  // namespace gradus
