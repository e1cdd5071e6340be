// metrics -- metrics.csv (a row per epoch) and metrics.jsonl (an object per print interval).
#pragma once

#include <cmath>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace gradus {

// A learned parameter of a quantizer after a step; per channel: means over the channels.
struct ParameterMetrics {
    std::string name;
    int64_t channels = 1;
    double value = NAN;
    double gradient = NAN;
    double gradient_norm = NAN;  // over the channels
};

// Unknown numbers stay NaN: an empty cell in the CSV, null in JSON.
struct MetricsRow {
    std::string phase;  // "float", "quantized"
    int epoch = 0;
    int64_t step = 0;  // optimizer steps since the run began, over all phases: never falls
    double train_loss = NAN;
    double train_top1 = NAN;  // percent
    double eval_loss = NAN;
    double eval_top1 = NAN;  // percent
    double lr = NAN;
    double images_per_second = NAN;
    std::vector<ParameterMetrics> parameters = {};  // metrics.jsonl only
};

// Every line is on its way to the disk when the call returns; a failed write throws Error(runtime)
// with the file and the reason. A row that a resumed run reaches again (same phase, epoch and step)
// is not written twice. Write a row before the checkpoint that includes it.
class Metrics {
  public:
    Metrics() = default;
    // Creates the files in `folder`, or appends to those that are there.
    explicit Metrics(const std::string& folder);

    void epoch(const MetricsRow& row);     // metrics.csv
    void interval(const MetricsRow& row);  // metrics.jsonl

    // Drops the rows after `step` and an incomplete last line: call it after loading a checkpoint.
    void cut_back(int64_t step);

  private:
    void cut_back_file(const std::string& path, int64_t step, bool csv);

    std::string csv_path_;
    std::string jsonl_path_;
    std::set<std::string> written_;
};

}  // namespace gradus
