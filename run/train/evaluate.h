// evaluate -- accuracy over a data set, and the simulation next to the integers.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "data/loader.h"
#include "integer/compare.h"
#include "nn/graph.h"
#include "run/progress.h"

namespace gradus {

struct Accuracy {
    int64_t images = 0;
    int64_t correct = 0;
    double loss = 0.0;    // mean cross entropy without smoothing
    double top1() const;  // percent
};

// Warns of each image that was left out as unreadable and not yet reported.
void report_damage(const Dataset& data, Progress& progress);

// Runs `graph` in evaluation mode over all of `loader`.
Accuracy evaluate(const Graph& graph, Loader& loader, Progress& progress, const char* what);

// Compares both executions over the whole data set.
struct IntegerEvaluation {
    Accuracy simulated;
    Accuracy integer;
    Comparison comparison;
    int64_t readable_images = 0;     // also compared on the readable kernel
    int64_t readable_different = 0;  // codes of these that differ from the simulation
    double integer_seconds = 0.0;
};

// Runs the first batches, at least `readable_images`, on the readable kernel as well as the
// fastest.
IntegerEvaluation evaluate_integers(const QuantizedModel& model, const Program& program,
                                    Loader& loader, int64_t readable_images, Progress& progress);

// Counts correct predictions; ties of the argmax go to the lowest index.
int64_t count_correct(const Tensor& logits, const Tensor& labels);

}  // namespace gradus
