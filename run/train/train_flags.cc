// The flags of ./train, one row each.
#include "data/open_dataset.h"
#include "models/models.h"
#include "quant/calibration.h"
#include "run/command_line/flag_table.h"
#include "run/train/options.h"

namespace gradus {

namespace {

void add_network_flags(FlagTable& table, Options& o) {
    table.section("network");
    table.add("--model", &o.model, "network (--list-models)").on_first_page();
    table.add("--stem", &o.stem, "first layers; auto: half up to 40 pixels")
        .one_of(stems())
        .shown_as("NAME");
    table.add("--width-mult", &o.width_mult, "times the channels, where the model scales them")
        .range(0.05, 20);
    table.add("--dropout", &o.dropout, "in front of the classifier; -1: the model's own")
        .range(-1)
        .below(1);
    table.add("--image-size,--img-size", &o.image_size, "pixels a side, 8 to 1024; 0: as the data")
        .range(0, 1024);
    table.add("--num-classes", &o.num_classes, "classes, at least the data's; 0: as the data")
        .range(0, 1 << 20);
    table.add("--channels,--in-chans", &o.channels, "of the images, the data's; 0: as the data")
        .range(0, 1024);
    table
        .add("--weights,--initial-checkpoint", &o.weights,
             "float weights instead of float training")
        .shown_as("FILE")
        .on_first_page();
}

void add_quantization_flags(FlagTable& table, Options& o) {
    table.section("quantization");
    table.add("--algo", &o.algo, "algorithm (--list-algos)").on_first_page();
    table.add("--hardware,--backend", &o.hardware, "target (--list-hardware)").on_first_page();
    table.add("--simulate", &o.simulate, "as the integers, or textbook floats")
        .one_of({"exact", "qdq"})
        .on_first_page();
    table
        .add("--accumulator", &o.accumulator,
             "how sums saturate in integers and --simulate exact, where --hardware has a choice")
        .one_of({"exact", "pairs16", "acc16"});
    table.add("--bits", &o.bits, "of weights and activations, 2 to 8").range(2, 8).on_first_page();
    table.add("--weight-bits,--w-bits", &o.weight_bits, "else --bits").range(2, 8);
    table.add("--activation-bits,--a-bits", &o.activation_bits, "else --bits").range(2, 8);
    table.add("--bn-fold", &o.bn_fold,
              "of batch norm: auto, none, merge, freeze, naive, whitepaper, torch, or -1 to 4");
    table.add("--weight-algo", &o.weight_algo, "of the weights alone, else --algo");
    table.add("--activation-algo", &o.activation_algo, "of the activations alone, else --algo");
    table.add("--reading", &o.reading, "where MQBench's paper and released code disagree")
        .one_of({"paper", "code"});
    table.add("--dsq-form", &o.dsq_form, "gradient of dsq; auto: soft, or ste by --reading code")
        .one_of({"auto", "soft", "ste"});
    table
        .add("--quantizer-lr-multiplier", &o.quantizer_lr_multiplier,
             "rate of learned quantizer parameters, times --lr")
        .range(0, 1e6);
    table
        .add("--quantizer-weight-decay", &o.quantizer_weight_decay,
             "L2 penalty of learned quantizer parameters; -1: --weight-decay")
        .range(-1, 1);
    table.add("--calibration", &o.calibration,
              "first ranges; auto: the algorithm's own, minmax, "
              "moving-average, quantile, mse, kld, norm, mean-deviation");
    table.add("--weight-calibration", &o.weight_calibration, "of the weights, else --calibration");
    table.add("--activation-calibration", &o.activation_calibration,
              "of the activations, else --calibration");
    table.add("--reestimate-bn", &o.reestimate_bn,
              "estimate batch norm's statistics again after calibration");
    table
        .add("--freeze-bn-epoch", &o.freeze_bn_epoch,
             "quantized epochs before batch norm's statistics freeze; -1: never")
        .range(-1, 1e6);
    table.add("--calibration-images", &o.calibration_images, "images that set the first scales")
        .range(1, 1e9);
    table.add("--equalize", &o.equalize, "even out ranges between layers before calibration");
    table.add("--ptq", &o.ptq, "learn how weights are rounded, after calibration")
        .one_of({"none", "adaround", "brecq", "qdrop"})
        .shown_as("NAME");
    table.add("--ptq-steps", &o.ptq_steps, "of each layer or block").range(1, 1e9);
    table.add("--ptq-images", &o.ptq_images, "to learn from; 0: --calibration-images")
        .range(0, 1e9);
    table.add("--correct-bias", &o.correct_bias, "mean outputs as in the float network");
}

void add_data_flags(FlagTable& table, Options& o) {
    table.section("data");
    table.add("--dataset", &o.dataset, "images (--list-datasets)").on_first_page();
    table.add("--data-path,--data-dir,--data", &o.data_path, "folder of the data files")
        .shown_as("DIR")
        .used_for(FlagUse::machine)
        .on_first_page();
    table
        .add("--interpolation", &o.interpolation, "of resized images; auto: as the model's authors")
        .one_of({"auto", "bilinear", "bicubic"});
    table.add("--crop-pct", &o.crop_pct, "central part of a resized test photograph")
        .range(0.01, 1);
    std::vector<std::string> names{"auto"};
    for (const Normalisation& row : normalisations()) names.push_back(row.name);
    table.add("--normalize", &o.normalize, "of pixels; auto: the data set's or the model's own")
        .one_of(names);
    table.add("--on-bad-image", &o.on_bad_image, "photographs that cannot be read")
        .one_of({"stop", "skip"});
}

void add_augmentation_flags(FlagTable& table, Options& o) {
    table.add("--hflip", &o.flip, "mirror at random where the data allow it (--no-hflip)");
    table.add("--crop-padding", &o.crop_padding, "pixels around an image before a random crop")
        .range(0, 64);
    table.add("--brightness", &o.brightness, "largest random change, of training images")
        .range(0, 1);
    table.add("--contrast", &o.contrast, "likewise").range(0, 1);
    table.add("--saturation", &o.saturation, "likewise").range(0, 1);
    table.add("--hue", &o.hue, "likewise, of a full turn").range(0, 0.5);
}

void add_training_flags(FlagTable& table, Options& o) {
    table.section("training");
    table.add("--epochs", &o.epochs, "quantized epochs").range(0, 1e6).on_first_page();
    table.add("--float-epochs", &o.float_epochs, "float epochs before them")
        .range(0, 1e6)
        .on_first_page();
    table.add("-b,--batch-size", &o.batch_size, "images a step").range(1, 1 << 20).on_first_page();
    table.add("--lr", &o.lr, "highest rate, quantized").above(0).on_first_page();
    table.add("--float-lr", &o.float_lr, "highest rate, float").above(0);
    table.add("--opt", &o.opt, "optimizer").one_of({"sgd", "adamw"});
    table.add("--momentum", &o.momentum, "of sgd").range(0).below(1);
    table.add("--nesterov", &o.nesterov, "Nesterov's momentum (--no-nesterov)");
    table.add("--weight-decay,--wd", &o.weight_decay, "L2 penalty").range(0, 1);
    table
        .add("--norm-weight-decay", &o.norm_weight_decay,
             "L2 penalty of batch norm's scale and shift; -1: --weight-decay")
        .range(-1, 1);
    table.add("--warmup-epochs", &o.warmup_epochs, "linear warm-up, then cosine to 0")
        .range(0, 1e6);
    table.add("--label-smoothing,--smoothing", &o.label_smoothing, "of the targets")
        .range(0)
        .below(1);
    table.add("--max-steps", &o.max_steps, "end each phase after so many steps; 0: no limit")
        .range(0, 1e15);
    table.add("--seed", &o.seed, "same seed, same bits").range(0).on_first_page();
}

void add_run_flags(FlagTable& table, Options& o) {
    table.section("run");
    table.add("--threads", &o.threads, "CPU threads; 0: the cores it may use")
        .range(0, 1024)
        .used_for(FlagUse::machine)
        .on_first_page();
    table.add("--device", &o.device, "where to compute")
        .one_of({"auto", "cpu", "cuda"})
        .used_for(FlagUse::machine);
    table.add("--log-interval", &o.log_interval, "steps between two lines")
        .range(1, 1e9)
        .used_for(FlagUse::machine);
    table.add("--save-every", &o.save_every, "steps between checkpoints; 0: after each epoch")
        .range(0, 1e9)
        .used_for(FlagUse::machine);
    table.call("--output", &o.output, "run folder, else runs/<time>-<names>")
        .shown_as("DIR")
        .on_first_page();
    table.call("--resume", &o.resume, "resume the run in this folder, or auto")
        .shown_as("DIR")
        .on_first_page();
    table.call("--config", &o.config, "file of flags, as a run's config.toml")
        .shown_as("FILE")
        .on_first_page();
    table.call("--summary", &o.summary,
               "print the network, layer by layer; nothing is trained, and no data are read with "
               "--image-size, --num-classes and --channels");
    table.call("--show-graph", &o.show_graph,
               "print the graph as the hardware rewrites it; nothing is trained");
    table.call("--dot", &o.dot, "write that graph for Graphviz; nothing is trained")
        .shown_as("FILE");
    table.call("--json", &o.json, "result as JSON on stdout, all else on stderr").on_first_page();
    table.call("--dry-run", &o.dry_run, "check everything, train nothing").on_first_page();
    table.call("--quiet", &o.quiet, "no progress and no header");
    table.call("--no-progress", &o.no_progress, "lines instead of a bar");
}

void add_questions(FlagTable& table, Options& o) {
    table.section("questions");
    const auto ask = [&](const char* names, bool* target, const char* help) -> Flag& {
        return table.add(names, target, help).used_for(FlagUse::question);
    };
    ask("--list-models", &o.list_models, "networks that --model knows");
    ask("--list-algos", &o.list_algos, "algorithms that --algo knows");
    ask("--list-datasets", &o.list_datasets, "images that --dataset knows");
    ask("--list-hardware", &o.list_hardware, "targets that --hardware knows");
    ask("--version", &o.version, "version and build");
    ask("-h,--help", &o.help, "the common flags");
    ask("--help-all", &o.help_all, "every flag").on_first_page();
}

}  // namespace

std::vector<Flag> train_flags(Options& options) {
    FlagTable table;
    add_network_flags(table, options);
    add_quantization_flags(table, options);
    add_data_flags(table, options);
    add_augmentation_flags(table, options);
    add_training_flags(table, options);
    add_run_flags(table, options);
    add_questions(table, options);
    return table.take();
}

}  // namespace gradus
