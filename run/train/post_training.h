// post_training -- what ./train can do with a calibrated network before it trains on: --equalize,
// --ptq, --correct-bias.
#pragma once

#include "data/dataset.h"
#include "quant/prepare.h"
#include "run/progress.h"
#include "run/train/options.h"

namespace gradus {

// A usage error for what cannot be done with these quantizers.
void refuse_post_training(const Options& options, const QuantizedModel& model);

// The float network before calibration; a line tells what was evened out.
void equalize_network(const Graph& network, Progress& progress);

// Reconstruction, then bias correction, as far as the options ask for them. `reference` is the
// float network with parameters of its own. Error(interrupted) after Ctrl-C, the model half done.
void improve_quantized(const Options& options, QuantizedModel& model, const Graph& reference,
                       const DatasetPtr& train, Progress& progress);

// True if improve_quantized has anything to do.
bool improves_quantized(const Options& options);

}  // namespace gradus
