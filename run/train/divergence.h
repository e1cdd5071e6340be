// divergence -- how far a phase may move from its start before it counts as diverged.
//
// A fixed scale clips weights of any size, so the loss of a network that ran away stays finite and
// may even look like guessing. Sizes tell it: each parameter, and the loss, has a limit relative to
// its size at the start of the phase, or to 1 where that is larger (what starts at or near zero has
// no size to compare with). docs/decisions/013-divergence.md has the measurements.
//
// weights, gamma, beta, biases      1000 max(1, start)
// running mean, ranges that follow  1e7 max(1, start)
// running variance                  1e14 max(1, start)
// loss                              10 max(1, start)
// parameters that must be positive  1e6, whatever the start
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "nn/graph.h"

namespace gradus {

struct PhaseStart {
    std::map<std::string, float> largest;  // magnitude of each parameter, by name
    double loss = -1.0;                    // of the first batch; negative: not known yet
};

std::map<std::string, float> largest_magnitudes(
    const std::vector<std::shared_ptr<Parameter>>& parameters);

// The largest magnitude allowed for an element; finite. A name that `start` lacks counts as 0.
float largest_allowed(const Parameter& parameter, const PhaseStart& start);

bool loss_diverged(double loss, const PhaseStart& start);  // also if it is not finite

}  // namespace gradus
