// post_training -- improves a calibrated network before training continues: --equalize, --ptq,
// --correct-bias.
#pragma once

#include "data/dataset.h"
#include "quant/prepare.h"
#include "run/progress.h"
#include "run/train/options.h"

namespace gradus {

// Error(usage) for options that these quantizers do not support.
void refuse_post_training(const Options& options, const QuantizedModel& model);

// Equalizes the float network before calibration; prints a line with the result.
void equalize_network(const Graph& network, Progress& progress);

// Reconstruction, then bias correction, as the options ask. `reference` is the float network with
// separate parameters. Error(interrupted) after Ctrl-C, with the model half done.
void improve_quantized(const Options& options, QuantizedModel& model, const Graph& reference,
                       const DatasetPtr& train, Progress& progress);

// True if improve_quantized has work to do.
bool improves_quantized(const Options& options);

}  // namespace gradus
