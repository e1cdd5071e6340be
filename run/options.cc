#include "run/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "quant/fold_batch_norm.h"
#include "run/config_file.h"
#include "run/run_folder.h"
#include "run/suggest.h"
#include "run/version.h"
#include "tensor/check.h"

namespace gradus {

namespace {

// ---- the command line ------------------------------------------------------------------------

// --no-nesterov; switches that are off unless given need none.
bool has_negation(const Flag& flag) {
    return flag.is_switch() && flag.use == FlagUse::recipe;
}

[[noreturn]] void fail_unknown(const std::vector<Flag>& flags, const std::string& argument) {
    check_kind(argument.size() > 1 && argument[0] == '-', ErrorKind::usage, "unexpected argument '",
               argument, "'; every value belongs to a flag (see --help)");
    const std::string name = argument.substr(0, argument.find('='));
    std::vector<std::string> known;
    for (const Flag& flag : flags) {
        for (const std::string& spelling : flag.all_names()) known.push_back(spelling);
        if (has_negation(flag)) known.push_back("--no-" + flag.name());
    }
    const std::string nearest = nearest_name(name, known);
    fail(ErrorKind::usage, "unknown flag ", name,
         nearest.empty() ? "" : "; did you mean " + nearest,
         nearest.empty() ? "; see --help" : "?");
}

// Splits argv by CLI11 and sets the flags in the table's order; returns the names that were given.
// `place` takes the one argument without a flag, where a program has such.
std::set<std::string> set_from_arguments(const std::vector<Flag>& flags, int argc,
                                         const char* const* argv, std::string* place = nullptr) {
    CLI::App app;
    app.set_help_flag();
    app.allow_extras();
    std::map<std::string, CLI::Option*> options;
    for (const Flag& flag : flags) {
        const std::string negation = has_negation(flag) ? ",!--no-" + flag.name() : "";
        options[flag.names] =
            flag.is_switch() ? app.add_flag(flag.names + negation) : app.add_option(flag.names);
        options[flag.names]->multi_option_policy(flag.is_list() ? CLI::MultiOptionPolicy::TakeAll
                                                                : CLI::MultiOptionPolicy::TakeLast);
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::ArgumentMismatch& error) {
        const std::string text = error.what();  // "--lr: 1 required ..."
        fail(ErrorKind::usage, text.substr(0, text.find(':')), " needs a value (see --help)");
    } catch (const CLI::ParseError& error) {
        fail(ErrorKind::usage, error.what(), " (see --help)");
    }
    std::set<std::string> given;
    for (const Flag& flag : flags) {
        const CLI::Option& option = *options[flag.names];
        if (option.count() == 0) continue;
        const auto& texts = option.results();
        for (auto text = flag.is_list() ? texts.begin() : texts.end() - 1; text != texts.end();
             ++text) {
            check_kind(text->rfind("--", 0) != 0, ErrorKind::usage, "--", flag.name(),
                       " needs a value; got the flag ", *text);
            set_flag(flag, *text);
        }
        given.insert(flag.name());
    }
    for (const std::string& argument : app.remaining()) {
        if (argument == "--") continue;
        if (!place || argument.empty() || argument[0] == '-') fail_unknown(flags, argument);
        check_kind(place->empty(), ErrorKind::usage, "unexpected argument '", argument, "' behind ",
                   *place, " (see --help)");
        *place = argument;
    }
    return given;
}

// ---- files of flags --------------------------------------------------------------------------

void set_from_file(const std::vector<Flag>& flags, const std::string& path) {
    std::vector<std::string> known;
    for (const Flag& flag : flags) known.push_back(flag.name());
    for (const ConfigEntry& entry : read_config_file(path)) {
        const auto names_it = [&](const Flag& flag) {
            for (const std::string& name : flag.all_names()) {
                if (name == "--" + entry.key) return true;
            }
            return false;
        };
        const auto flag = std::find_if(flags.begin(), flags.end(), names_it);
        const std::string place = join(path, ":", entry.line, ": ");
        const bool usable = flag != flags.end() && flag->use != FlagUse::question &&
                            flag->name() != "config" && flag->name() != "resume";
        const std::string nearest = nearest_name(entry.key, known);
        check_kind(usable, ErrorKind::usage, place, "no flag '", entry.key,
                   "' that a file may set; ",
                   nearest.empty() || nearest == entry.key ? "see --help-all"
                                                           : "did you mean '" + nearest + "'?");
        try {
            set_flag(*flag, entry.value);
        } catch (const Error& error) {
            fail(error.kind(), place, error.what());
        }
    }
}

// ---- rules among flags -----------------------------------------------------------------------

// The number of a folding strategy; nothing for "auto".
std::optional<int> folding_number(const std::string& text) {
    if (text == "auto") return std::nullopt;
    const std::vector<std::string>& names = folding_names();
    for (int i = 0; i < static_cast<int>(names.size()); ++i) {
        if (text == names[i] || text == std::to_string(i - 1)) return i - 1;
    }
    fail(ErrorKind::usage, "--bn-fold takes auto, a number from -1 to 4, or none, merge, freeze, ",
         "naive, whitepaper, torch; got '", text, "'");
}

void resolve(Options& o) {
    if (o.weight_bits == 0) o.weight_bits = o.bits;
    if (o.activation_bits == 0) o.activation_bits = o.bits;
    for (std::string* algo : {&o.weight_algo, &o.activation_algo}) {
        if (algo->empty()) *algo = o.algo;
    }
    for (std::string* calibration : {&o.weight_calibration, &o.activation_calibration}) {
        if (calibration->empty()) *calibration = o.calibration;
    }
    check_kind(o.weight_bits >= 2, ErrorKind::usage,
               "--weight-bits takes a whole number from 2 to 8; got '", o.weight_bits, "'");
    check_kind(o.activation_bits >= 2, ErrorKind::usage,
               "--activation-bits takes a whole number from 2 to 8; got '", o.activation_bits, "'");
    folding_number(o.bn_fold);
    const bool improves = o.equalize || o.correct_bias || o.ptq != "none";
    check_kind(!improves || o.algo != "none", ErrorKind::usage,
               "--equalize, --ptq and --correct-bias prepare a quantized network, --algo none has ",
               "none; drop them or name an --algo");
    check_kind(
        o.freeze_bn_epoch < 0 || o.algo != "none", ErrorKind::usage,
        "--freeze-bn-epoch counts quantized epochs, --algo none has none; drop it or name an ",
        "--algo");
    check_kind(!o.nesterov || o.opt != "sgd" || o.momentum > 0, ErrorKind::usage,
               "Nesterov's method needs a --momentum above 0; add --no-nesterov for plain sgd");
}

// A plain --bits, --algo or --calibration on the command line decides anew what the file said of
// weights and activations.
void forget_halves(const std::set<std::string>& given, Options& o) {
    const auto forget = [&](const std::string& name, auto& weight, auto& activation) {
        if (!given.count(name)) return;
        if (!given.count("weight-" + name)) weight = {};
        if (!given.count("activation-" + name)) activation = {};
    };
    forget("bits", o.weight_bits, o.activation_bits);
    forget("algo", o.weight_algo, o.activation_algo);
    forget("calibration", o.weight_calibration, o.activation_calibration);
}

std::string folder_to_resume(const Options& o) {
    check_kind(o.config.empty(), ErrorKind::usage,
               "--resume reads the run's own config.toml; drop --config");
    std::string folder = o.resume == "auto" ? find_unfinished_run("runs") : o.resume;
    check_kind(!folder.empty(), ErrorKind::usage,
               "--resume auto: no unfinished run below runs/; name its folder or start a new one");
    while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
    const std::filesystem::path path(folder);
    std::error_code ignored;
    if (std::filesystem::is_symlink(path, ignored)) {  // runs/latest will soon be another run
        folder = (path.parent_path() / std::filesystem::read_symlink(path)).string();
    }
    check_kind(std::filesystem::exists(folder + "/config.toml", ignored), ErrorKind::data,
               "no run in ", folder,
               ": it has no config.toml; name the folder of a run or --resume auto");
    check_kind(o.output.empty() || o.output == folder, ErrorKind::usage,
               "--resume goes on in its own folder; drop --output");
    return folder;
}

// Flags that only give others their values.
bool is_general(const std::string& name) {
    return name == "bits" || name == "algo" || name == "calibration";
}

// A resumed run must compute what it would have computed.
void check_unchanged(Options before, Options now) {
    resolve(before);
    const std::vector<Flag> old_flags = train_flags(before);
    const std::vector<Flag> new_flags = train_flags(now);
    for (size_t i = 0; i < old_flags.size(); ++i) {
        const std::string name = old_flags[i].name();
        if (old_flags[i].use != FlagUse::recipe || is_general(name)) continue;
        check_kind(flag_text(old_flags[i]) == flag_text(new_flags[i]), ErrorKind::usage,
                   "the run in ", now.output, " has --", name, " ", flag_text(old_flags[i]),
                   ", not ", flag_text(new_flags[i]), "; drop the flag or start a new run");
    }
}

const char* const kTrainUsage =
    "Trains a network, quantizes it, and runs it in integers.\n"
    "usage: ./train --model resnet18 --algo lsq [flags]\n";
const char* const kBenchUsage =
    "Measures a training step, fake quantization beside memcpy, or the loading of photographs.\n"
    "usage: ./bench --step [flags]\n"
    "       ./bench --fake-quantize [flags]\n"
    "       ./bench --loader DIR [flags]      DIR: train/<class>/*.jpg, val/<class>/*.jpg\n";
const char* const kDeployUsage =
    "Runs what ./train left in integers on the test set and shows every layer's numbers.\n"
    "usage: ./deploy RUN [flags]          RUN: a run folder, or runs/latest\n"
    "       ./deploy --verify DIR         DIR: what --golden wrote\n";
const char* const kQuantizerUsage =
    "Runs a quantizer on an array, or without --input shows its staircase and its gradient.\n"
    "usage: ./explain quantizer --algo lsq --bits 4 [--input x.npy] [flags]\n";
const char* const kRequantizeUsage =
    "Puts int32 accumulators on a grid by a rule and shows the steps of the first ones.\n"
    "usage: ./explain requantize --rule R1 --accumulators acc.npy --input-scale 0.02\n"
    "           --weight-scale 0.01 --output-scale 0.05 --qmin -128 --qmax 127 [flags]\n";
const char* const kAddUsage =
    "Adds two arrays of codes by the rule of a target and shows the steps of the first ones.\n"
    "usage: ./explain add --hardware onnxruntime --lhs a.npy --rhs b.npy\n"
    "           --scales 0.1,0.2,0.3 --zero-points 128,128,128 [flags]\n";
const char* const kAverageUsage =
    "Brings sums of codes back to the codes' grid by the rule of a target and shows the steps.\n"
    "usage: ./explain average --hardware onnxruntime --sums sums.npy --count 49 --scale 0.05\n"
    "           [flags]\n";

void check_complete(const RequantizeQuestion& q) {
    check_kind(q.rule.empty() != q.hardware.empty(), ErrorKind::usage,
               q.rule.empty() ? "no rule; add --rule R1, or --hardware for that of a target"
                              : "--rule and --hardware both name a rule; drop one");
    const auto require = [](bool given, const char* flag) {
        check_kind(given, ErrorKind::usage, flag, " is missing; ./explain requantize takes ",
                   "--accumulators, three scales, --qmin and --qmax (see --help)");
    };
    require(!q.accumulators.empty(), "--accumulators");
    require(q.input_scale > 0.0, "--input-scale");
    require(!q.weight_scale.empty(), "--weight-scale");
    require(q.output_scale > 0.0, "--output-scale");
    require(!q.hardware.empty() || q.qmin != kUnsetCode, "--qmin");
    require(!q.hardware.empty() || q.qmax != kUnsetCode, "--qmax");
}

void check_complete(const AddQuestion& q) {
    const auto require = [](const std::string& text, const char* flag) {
        check_kind(!text.empty(), ErrorKind::usage, flag,
                   " is missing; ./explain add takes --lhs, --rhs and --scales (see --help)");
    };
    require(q.lhs, "--lhs");
    require(q.rhs, "--rhs");
    require(q.scales, "--scales");
}

void check_complete(const AverageQuestion& q) {
    const auto require = [](bool given, const char* flag) {
        check_kind(given, ErrorKind::usage, flag,
                   " is missing; ./explain average takes --sums, --count and --scale (see --help)");
    };
    require(!q.sums.empty(), "--sums");
    require(q.count > 0, "--count");
    require(q.scale > 0.0, "--scale");
}

}  // namespace

Options parse_train(int argc, const char* const* argv) {
    Options options;
    const std::vector<Flag> flags = train_flags(options);
    // First for --config, --resume and the questions; again below, on top of the file.
    options.given = set_from_arguments(flags, argc, argv);
    if (options.help || options.help_all) {
        Options defaults;
        options.answer = help_text(kTrainUsage, train_flags(defaults), options.help_all);
    }
    if (options.version) options.answer = version_line() + "\n";
    if (!options.answer.empty()) return options;

    const std::string folder = options.resume.empty() ? "" : folder_to_resume(options);
    const std::string file = folder.empty() ? options.config : folder + "/config.toml";
    if (file.empty()) {
        resolve(options);
        return options;
    }
    options = Options();
    set_from_file(flags, file);
    const Options before = options;
    options.given = set_from_arguments(flags, argc, argv);
    forget_halves(options.given, options);
    resolve(options);
    if (!folder.empty()) {
        options.resume = options.output = folder;
        check_unchanged(before, options);
    }
    return options;
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

namespace {

void check_exports(const DeployOptions& o) {
    const auto alone = [&](const std::string& value, const char* flag) {
        check_kind(value.empty() || !o.onnx.empty(), ErrorKind::usage, flag,
                   " says how --onnx writes its file; add --onnx FILE or drop it");
    };
    alone(o.target, "--target");
    alone(o.form, "--form");
    check_kind(o.form.empty() || o.target.empty() || o.target == "onnxruntime", ErrorKind::usage,
               "--form ", o.form, ": only --target onnxruntime has two forms, ", o.target,
               " has one; drop it");
    check_kind(o.layers || !o.json, ErrorKind::usage,
               "--no-layers leaves out a table, and --json prints none; drop one of them");
    std::set<std::string> paths;
    for (const std::string& path : {o.onnx, o.encodings, o.tensorrt_ranges, o.golden, o.logits}) {
        check_kind(path.empty() || paths.insert(path).second, ErrorKind::usage, path,
                   " is to be written twice; give every output a path of its own");
    }
}

// A bundle is replayed from its files alone: whatever is about a run has no place beside it.
void check_alone(const DeployOptions& o, const std::set<std::string>& given) {
    check_kind(o.run.empty(), ErrorKind::usage,
               "--verify replays a bundle from its files alone; drop ", o.run);
    for (const std::string& flag : given) {
        const bool fits =
            flag == "verify" || flag == "layers" || flag == "threads" || flag == "json";
        check_kind(fits, ErrorKind::usage,
                   "--verify replays a bundle from its files alone; drop --", flag);
    }
}

}  // namespace

DeployOptions parse_deploy(int argc, const char* const* argv) {
    DeployOptions options;
    const std::set<std::string> given =
        set_from_arguments(deploy_flags(options), argc, argv, &options.run);
    if (options.version) options.answer = version_line() + "\n";
    if (options.help) {
        DeployOptions defaults;
        options.answer = help_text(kDeployUsage, deploy_flags(defaults), false);
    }
    if (!options.answer.empty()) return options;
    if (!options.verify.empty()) check_alone(options, given);
    check_exports(options);
    check_kind(!options.run.empty() || !options.verify.empty(), ErrorKind::usage,
               "nothing to deploy; name the folder of a run, as runs/latest (see --help)");
    return options;
}

Options options_of_run(const std::string& folder) {
    std::error_code ignored;
    check_kind(std::filesystem::exists(folder + "/config.toml", ignored), ErrorKind::data,
               "no run in ", folder, ": it has no config.toml; name a folder that ./train made");
    Options options;
    set_from_file(train_flags(options), folder + "/config.toml");
    resolve(options);
    return options;
}

QuantizerQuestion parse_quantizer_question(int argc, const char* const* argv) {
    QuantizerQuestion question;
    set_from_arguments(quantizer_question_flags(question), argc, argv);
    if (question.help) {
        QuantizerQuestion defaults;
        question.answer = help_text(kQuantizerUsage, quantizer_question_flags(defaults), true);
    }
    return question;
}

namespace {

// A question that cannot be asked by halves.
template <class Question>
Question parse_complete(int argc, const char* const* argv, const char* usage,
                        std::vector<Flag> (*flags)(Question&)) {
    Question question;
    set_from_arguments(flags(question), argc, argv);
    if (question.help) {
        Question defaults;
        question.answer = help_text(usage, flags(defaults), true);
    } else {
        check_complete(question);
    }
    return question;
}

}  // namespace

RequantizeQuestion parse_requantize_question(int argc, const char* const* argv) {
    return parse_complete(argc, argv, kRequantizeUsage, requantize_question_flags);
}

AddQuestion parse_add_question(int argc, const char* const* argv) {
    return parse_complete(argc, argv, kAddUsage, add_question_flags);
}

AverageQuestion parse_average_question(int argc, const char* const* argv) {
    return parse_complete(argc, argv, kAverageUsage, average_question_flags);
}

int resolve_bn_fold(const Options& options, const Hardware& hardware) {
    const int number = folding_number(options.bn_fold).value_or(hardware.bn_fold);
    check_folding(number, hardware);
    return number;
}

}  // namespace gradus
