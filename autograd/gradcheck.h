// gradcheck -- checks a backward pass against central differences of its forward pass, in double.
//
// With a fixed pseudo-random dy the scalar L = sum dy * forward(inputs) is differentiated along
// every input element: (L(x + h) - L(x - h)) / 2h, error O(h^2) + O(1e-16 / h). With h = 1e-5 and
// values of order 1 a right gradient agrees to about 1e-9; 1e-6 is a safe bound, and a wrong sign,
// factor or index misses it by orders. Keep inputs away from kinks by more than h.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace gradus {

using Arrays = std::vector<std::vector<double>>;
using ReadableForward = std::function<std::vector<double>(const Arrays& inputs)>;
// One gradient per input; an empty one means that this input is not differentiated.
using ReadableBackward = std::function<Arrays(const Arrays& inputs, const std::vector<double>& dy)>;

struct GradcheckResult {
    double worst = 0;   // largest |numeric - analytic| / max(1, |numeric|)
    std::string where;  // the worst place: input, element and both values
    int64_t compared = 0;
};

GradcheckResult gradcheck(const ReadableForward& forward, const ReadableBackward& backward,
                          const Arrays& inputs, double h = 1e-5);

// n values in [low, high), a pure function of the seed: inputs for such checks.
std::vector<double> gradcheck_values(int64_t n, double low, double high, uint64_t seed);

}  // namespace gradus
