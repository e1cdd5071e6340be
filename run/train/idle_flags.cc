#include "run/train/idle_flags.h"

#include <set>

#include "models/models.h"
#include "tensor/check.h"

namespace gradus {

namespace {

struct IdleRow {
    bool idle;
    std::vector<std::string> flags;
    std::string reason;
};

std::vector<std::string> quantization_flags() {
    Options options;
    std::vector<std::string> names;
    for (const Flag& flag : train_flags(options)) {
        const std::string name = flag.name();
        const bool describes_target = name == "algo" || name == "hardware";
        if (flag.section == "quantization" && !describes_target) names.push_back(name);
    }
    names.insert(names.end(), {"epochs", "lr"});
    return names;
}

std::vector<IdleRow> rows(const Options& o, const DatasetFacts& data) {
    const bool dsq = o.weight_algo == "dsq" || o.activation_algo == "dsq";
    const bool resizes = data.photographs || o.image_size > 0;
    const bool weights = !o.weights.empty();
    const bool trains_float = !weights && o.float_epochs > 0;
    const bool trains = trains_float || (o.algo != "none" && o.epochs > 0);
    return {
        {o.algo == "none", quantization_flags(), "with --algo none, which trains in float alone"},
        {o.algo != "none" && o.ptq == "none", {"ptq-steps"}, "without --ptq"},
        {o.algo != "none" && o.ptq == "none" && !o.correct_bias,
         {"ptq-images"},
         "without --ptq or --correct-bias"},
        {o.algo != "none" && !dsq, {"dsq-form"}, "without --algo dsq"},
        {o.algo != "none" && o.epochs == 0,
         {"lr", "freeze-bn-epoch", "quantizer-lr-multiplier", "quantizer-weight-decay"},
         "with --epochs 0"},
        {!weights && o.float_epochs == 0, {"float-lr"}, "with --float-epochs 0"},
        {!trains,
         {"batch-size", "opt", "momentum", "nesterov", "weight-decay", "norm-weight-decay",
          "warmup-epochs", "label-smoothing", "max-steps", "save-every", "dropout", "hflip",
          "crop-padding", "brightness", "contrast", "saturation", "hue"},
         "as nothing is trained"},
        {o.given.contains("weight-bits") && o.given.contains("activation-bits"),
         {"bits"},
         "next to --weight-bits and --activation-bits"},
        {o.given.contains("weight-calibration") && o.given.contains("activation-calibration"),
         {"calibration"},
         "next to --weight-calibration and --activation-calibration"},
        {!find_model(o.model).has_dropout, {"dropout"}, "on " + o.model + ", which has none"},
        {o.opt == "adamw", {"momentum"}, "with --opt adamw"},
        {o.opt == "adamw" && o.nesterov, {"nesterov"}, "with --opt adamw"},
        {weights,
         {"float-epochs", "float-lr"},
         "with --weights, which stand in for float training"},
        {o.flip && !data.may_flip,
         {"hflip"},
         "on " + data.name + ", whose images are never mirrored"},
        {!data.photographs, {"crop-pct", "on-bad-image"}, "without photographs"},
        {!resizes, {"interpolation"}, "on images that keep their size"},
        {data.name == "synthetic", {"data-path"}, "on images that this program draws"},
    };
}

// "--a", "--a and --b", "--a, --b and --c"
std::string list_text(const std::vector<std::string>& names) {
    std::string text;
    for (size_t i = 0; i < names.size(); ++i) {
        text += (i == 0 ? "--" : i + 1 == names.size() ? " and --" : ", --") + names[i];
    }
    return text;
}

}  // namespace

std::vector<std::string> idle_flags(const Options& options, const DatasetFacts& data) {
    std::vector<std::string> lines;
    std::set<std::string> told;
    for (const IdleRow& row : rows(options, data)) {
        if (!row.idle) continue;
        std::vector<std::string> named;
        for (const std::string& flag : row.flags) {
            if (options.given.contains(flag) && told.insert(flag).second) named.push_back(flag);
        }
        if (named.empty()) continue;
        lines.push_back(
            join(list_text(named), named.size() > 1 ? " have" : " has", " no effect ", row.reason));
    }
    return lines;
}

}  // namespace gradus
