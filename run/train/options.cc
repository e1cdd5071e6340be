#include "run/train/options.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "quant/fold_batch_norm.h"
#include "run/command_line/parse.h"
#include "run/suggest.h"
#include "run/train/run_folder.h"
#include "run/version.h"
#include "tensor/check.h"

namespace gradus {

namespace {

// ---- rules among flags -----------------------------------------------------------------------

// The number of a folding strategy; empty for "auto".
std::optional<int> folding_number(const std::string& text) {
    if (text == "auto") return std::nullopt;
    const std::vector<std::string>& names = folding_names();
    for (int i = 0; i < static_cast<int>(names.size()); ++i) {
        if (text == names[i] || text == std::to_string(i - 1)) return i - 1;
    }
    fail(ErrorKind::usage, "--bn-fold takes auto, a number from -1 to 4, or none, merge, freeze, ",
         "naive, whitepaper, torch; got '", text, "'");
}

// Absolute paths: a run can be resumed and deployed from any directory.
void make_absolute(std::string& path) {
    if (!path.empty()) path = std::filesystem::absolute(path).lexically_normal().string();
}

void resolve(Options& o) {
    make_absolute(o.data_path);
    make_absolute(o.weights);
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
    check_kind(o.dropout >= 0 || o.dropout == -1, ErrorKind::usage,
               "--dropout takes a number from 0 to below 1, or -1 for the model's own; got '",
               o.dropout, "'");
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
    config_toml(o);  // refuses paths that the file cannot hold
}

// A plain --bits, --algo or --calibration on the command line overrides the file's values for
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
    if (std::filesystem::is_symlink(path, ignored)) {  // runs/latest will soon point to another run
        folder = (path.parent_path() / std::filesystem::read_symlink(path)).string();
    }
    check_kind(std::filesystem::exists(folder + "/config.toml", ignored), ErrorKind::data,
               "no run in ", folder,
               ": it has no config.toml; name the folder of a run or --resume auto");
    check_kind(o.output.empty() || o.output == folder, ErrorKind::usage,
               "--resume writes to its own folder; drop --output");
    return folder;
}

// True for flags that only supply the value of others.
bool is_general(const std::string& name) {
    return name == "bits" || name == "algo" || name == "calibration";
}

// A resumed run must compute the same as without the interruption.
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

}  // namespace

Options parse_train(int argc, const char* const* argv) {
    Options options;
    const std::vector<Flag> flags = train_flags(options);
    // First pass for --config, --resume and the questions; a second one below overrides the file.
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

Options options_of_run(const std::string& folder) {
    std::error_code ignored;
    check_kind(std::filesystem::exists(folder + "/config.toml", ignored), ErrorKind::data,
               "no run in ", folder, ": it has no config.toml; name a folder that ./train made");
    Options options;
    set_from_file(train_flags(options), folder + "/config.toml");
    resolve(options);
    return options;
}

int resolve_bn_fold(const Options& options, const Hardware& hardware) {
    const int number = folding_number(options.bn_fold).value_or(hardware.bn_fold);
    check_folding(number, hardware);
    return number;
}

}  // namespace gradus
