// checkpoint -- the state that a run resumes from, and the networks it leaves, in safetensors.
//
//   last.safetensors, previous.safetensors   parameters, optimizer state, position: for --resume
//   float.safetensors                        the float network before quantization
//   model.safetensors                        the final network: the parameters alone
//
// Names and layouts are PyTorch's (filters O I KH KW).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "nn/graph.h"
#include "nn/optimizer.h"
#include "quant/prepare.h"
#include "run/train/divergence.h"

namespace gradus {

// The position in a run. The next step is `batch` of `epoch` of `phase`.
struct RunPosition {
    std::string phase = "float";  // "float", "quantized", "done"
    int64_t epoch = 0;
    int64_t batch = 0;
    int64_t step = 0;        // optimizer steps over all phases
    int64_t phase_step = 0;  // of this phase; the schedule reads it
    double loss_sum = 0.0;   // over the epoch so far
    int64_t correct = 0;
    int64_t seen = 0;
    double float_top1 = -1.0;  // percent; negative: not known yet
    double calibrated_top1 = -1.0;
    double seconds = 0.0;  // spent before the resume
    PhaseStart start;      // of this phase; empty until its first step
};

using ParameterList = std::vector<std::shared_ptr<Parameter>>;

// The parameters in the layout of files.
std::map<std::string, Tensor> export_parameters(const ParameterList& parameters);

// Copies tensors of the same names into the parameters. Error(usage) if one is missing or has
// another shape: the checkpoint of another model. Other tensors are ignored.
void import_parameters(const std::string& path, const std::map<std::string, Tensor>& tensors,
                       const ParameterList& parameters);

void save_network(const std::string& path, const ParameterList& parameters,
                  const std::map<std::string, std::string>& metadata);

// Saves the quantized network at the end of a run, with the signs that calibration decided.
void save_quantized(const std::string& path, const QuantizedModel& model,
                    std::map<std::string, std::string> metadata);
void load_quantized(const std::string& path, QuantizedModel& model);

class CheckpointStore {
  public:
    explicit CheckpointStore(std::string folder) : folder_(std::move(folder)) {}

    // Renames the last checkpoint to previous, then writes last.safetensors.
    void save(const RunPosition& position, const ParameterList& parameters,
              const Optimizer& optimizer,
              const std::vector<std::shared_ptr<Quantizer>>& quantizers);

    // Loads the newest intact state: reports a damaged one by `warn` and falls back to the one
    // before it. False if there is none; Error(data) if none is intact.
    bool load(RunPosition& position, const ParameterList& parameters, Optimizer& optimizer,
              const std::vector<std::shared_ptr<Quantizer>>& quantizers,
              const std::function<void(const std::string&)>& warn) const;

    std::string last() const { return folder_ + "/last.safetensors"; }
    std::string previous() const { return folder_ + "/previous.safetensors"; }

  private:
    std::string folder_;
};

}  // namespace gradus
