#include "autograd/gradcheck.h"

#include <algorithm>
#include <cmath>

#include "tensor/check.h"
#include "tensor/rng.h"

namespace gradus {

namespace {

double weighted(const std::vector<double>& y, const std::vector<double>& dy) {
    check(y.size() == dy.size(), "gradcheck: the output changed its size");
    double sum = 0;
    for (size_t i = 0; i < y.size(); ++i) sum += y[i] * dy[i];
    return sum;
}

}  // namespace

std::vector<double> gradcheck_values(int64_t n, double low, double high, uint64_t seed) {
    const Rng rng(seed);
    std::vector<double> values(n);
    for (int64_t i = 0; i < n; ++i) values[i] = low + (high - low) * rng.uniform(i);
    return values;
}

GradcheckResult gradcheck(const ReadableForward& forward, const ReadableBackward& backward,
                          const Arrays& inputs, double h) {
    const std::vector<double> dy =
        gradcheck_values(static_cast<int64_t>(forward(inputs).size()), -1, 1, 20240601);
    const Arrays gradients = backward(inputs, dy);
    check(gradients.size() == inputs.size(), "gradcheck: ", gradients.size(), " gradients for ",
          inputs.size(), " inputs");
    GradcheckResult result;
    Arrays moved = inputs;
    for (size_t input = 0; input < inputs.size(); ++input) {
        if (gradients[input].empty()) continue;
        check(gradients[input].size() == inputs[input].size(), "gradcheck: gradient ", input,
              " has another size than its input");
        for (size_t i = 0; i < inputs[input].size(); ++i) {
            moved[input][i] = inputs[input][i] + h;
            const double above = weighted(forward(moved), dy);
            moved[input][i] = inputs[input][i] - h;
            const double below = weighted(forward(moved), dy);
            moved[input][i] = inputs[input][i];
            const double numeric = (above - below) / (2 * h);
            const double analytic = gradients[input][i];
            const double error = std::abs(numeric - analytic) / std::max(1.0, std::abs(numeric));
            ++result.compared;
            // Negated, so that a NaN counts as the worst.
            if (!(error <= result.worst)) {
                result.worst = error;
                result.where = join("input ", input, " element ", i, ": numeric ", numeric,
                                    ", analytic ", analytic);
            }
        }
    }
    return result;
}

}  // namespace gradus
