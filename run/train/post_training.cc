#include "run/train/post_training.h"

#include <algorithm>

#include "quant/ptq/correct_bias.h"
#include "quant/ptq/equalize.h"
#include "quant/ptq/reconstruct.h"
#include "quant/ptq/subgraph.h"
#include "run/console_table.h"
#include "run/signals.h"
#include "run/train/assemble.h"

namespace gradus {

namespace {

void stop_if_interrupted() {
    check_kind(!interrupted(), ErrorKind::interrupted, "interrupted after calibration");
}

std::string percent_text(int64_t part, int64_t whole) {
    return fixed_text(100.0 * static_cast<double>(part) / static_cast<double>(whole), 1) + " %";
}

// The images of --ptq-images, else the calibration images, as one tensor.
Tensor learning_images(Options options, const DatasetPtr& train) {
    if (options.ptq_images > 0) options.calibration_images = options.ptq_images;
    const BatchSource next = calibration_batches(options, train);
    Tensor all;
    int64_t filled = 0;
    for (Tensor batch = next(); batch.defined(); batch = next()) {
        std::vector<int64_t> extents = batch.shape().extents();
        extents[0] = calibration_image_count(options, *train);
        if (!all.defined()) all = Tensor::empty(Shape(extents));
        std::copy_n(batch.data<float>(), batch.numel(), all.data<float>() + filled);
        filled += batch.numel();
    }
    if (!all.defined() || filled == all.numel()) return all;
    return samples(all, 0, filled / (all.numel() / all.shape()[0]));  // damaged ones are left out
}

void reconstruct_units(const Options& o, QuantizedModel& model, const Graph& reference,
                       const Tensor& images, Progress& progress) {
    ReconstructionOptions options;
    options.method = reconstruction_of(o.ptq);
    options.steps = o.ptq_steps;
    options.seed = o.seed;
    WatchReconstruction watch;
    watch.step = [&](const ReconstructionStep& step) {
        stop_if_interrupted();
        progress.count(o.ptq + ' ' + step.unit, step.unit_index * step.steps + step.step + 1,
                       step.units * step.steps);
    };
    watch.unit = [&](const ReconstructedUnit& unit) {
        progress.line(join(o.ptq, ' ', unit.name, ": error ", fixed_text(unit.before, 4), " -> ",
                           fixed_text(unit.after, 4), ", ",
                           percent_text(unit.changed, unit.weights), " of the codes changed"));
    };
    reconstruct(model, reference, images, options, watch);
}

}  // namespace

bool improves_quantized(const Options& options) {
    return options.ptq != "none" || options.correct_bias;
}

void refuse_post_training(const Options& options, const QuantizedModel& model) {
    if (options.reestimate_bn) refuse_reestimation(model);
    if (options.ptq != "none") refuse_reconstruction(model);
}

void equalize_network(const Graph& network, Progress& progress) {
    const Equalization result = equalize(network);
    for (const std::string& reason : result.skipped) progress.line("not equalized: " + reason);
    for (const EqualizedPair& pair : result.pairs) {
        progress.line(join("equalized ", pair.first, " and ", pair.second,
                           ": largest over smallest range ", fixed_text(pair.spread_before, 1),
                           " -> ", fixed_text(pair.spread_after, 1)));
    }
}

void improve_quantized(const Options& options, QuantizedModel& model, const Graph& reference,
                       const DatasetPtr& train, Progress& progress) {
    const Tensor images = learning_images(options, train);
    if (options.ptq != "none") reconstruct_units(options, model, reference, images, progress);
    if (!options.correct_bias) return;
    const auto layers =
        correct_bias(model, reference, images, [](const std::string&) { stop_if_interrupted(); });
    progress.line(join("corrected the biases of ", layers.size(), " layers"));
}

}  // namespace gradus
