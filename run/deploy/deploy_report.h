// deploy_report -- the output of ./deploy: the table of layers, the notes, or one JSON object.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "integer/gap.h"
#include "run/deploy/layer_measure.h"
#include "run/train/result_tables.h"

namespace gradus {

// Prints a line for each instruction, then a legend of the columns.
void print_measures(std::ostream& out, const Measurement& measured, bool utf8);

// Names the accumulators that may exceed the exact range of a float; "" if none can.
std::string float_range_note(const Measurement& measured);

// Prints a line for each node that rounds, then the totals. `top1`: of the free run, in percent.
void print_gap(std::ostream& out, const Gap& gap, double top1, bool utf8);

struct DeployFacts {
    std::string run;               // its folder
    std::string rules;             // of the hardware, in one line
    bool nominal = false;          // the rules were read in documents, not in open source
    std::string accumulator;       // how sums are formed: "exact", "acc16"
    bool program_compared = true;  // with the one that ./train left
    std::vector<std::string> differences;
    const Gap* gap = nullptr;  // if it was measured
    double gap_top1 = 0.0;     // of its free run
};
// The keys of a run's result that apply, then facts, then an object for each layer.
std::string deploy_json(const Measurement& measured, const Result& result, const FinalFacts& final,
                        const DeployFacts& facts);

}  // namespace gradus
