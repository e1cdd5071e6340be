#include "run/explain/staircase.h"

#include <algorithm>
#include <cmath>

namespace gradus {

namespace {

constexpr float kMargin = 0.125f;  // of the range, on each side
constexpr int64_t kFewest = 640;   // values of a ramp: at least one for each pixel of a plot
constexpr int64_t kPerCode = 16;   // and at least this many for each code
constexpr int kHalvings = 40;

// Equally spaced values, both ends included, enough for 2^bits codes.
Tensor ramp(float low, float high, int bits) {
    const int64_t n = std::max(kFewest, kPerCode << bits);
    Tensor x = Tensor::empty({n});
    for (int64_t i = 0; i < n; ++i) {
        const double part = static_cast<double>(i) / static_cast<double>(n - 1);
        x.data<float>()[i] = static_cast<float>(low + part * (double{high} - low));
    }
    return x;
}

// True if the algorithm normalises the array first, so that x_hat has another scale than x.
bool normalises(const Quantizer& q) {
    const std::string name = q.algorithm->name;
    return q.role == Role::weight && (name == "dorefa" || name == "apot");
}

Span span_of_grid(const QuantizerProbe& probe) {
    const Quantizer& q = probe.quantizer;
    const CodeBounds bounds = bounds_of(probe.grid, q.format);
    const float s = probe.grid.scale.data<float>()[0];
    const float z = zero_point_in_use(probe).data<float>()[0];
    return {s * (static_cast<float>(bounds.lo) - z), s * (static_cast<float>(bounds.hi) - z)};
}

// QIL's interval is over |x|.
Span span_of_interval(const Quantizer& q) {
    const float reach = q.values_of("center")[0] + q.values_of("width")[0];
    return {q.format.is_signed ? -reach : 0.0f, reach};
}

// An edge between two codes: neighbouring floats, or as close as the bisection gets.
struct Edge {
    float below, above;
    int32_t code_above;
};

class Ramp {
  public:
    Ramp(const QuantizerProbe& probe, const Tensor& x)
        : probe_(probe), x_(x.clone()), dy_(Tensor::zeros(x.shape())) {}

    int64_t size() const { return x_.numel(); }
    float operator[](int64_t i) const { return x_.data<float>()[i]; }

    // The code of element i at `value`.
    int32_t code(int64_t i, float value) {
        const Swap swap(x_, i, value);
        const Affine affine = codes_of(probe_.quantizer, probe_.grid, x_);
        if (affine.codes.dtype() == DType::I32) return affine.codes.data<int32_t>()[i];
        return CodeReader(affine.codes)[i];
    }
    float x_hat(int64_t i, float value) {
        const Swap swap(x_, i, value);
        return values_of(probe_.quantizer, probe_.grid, x_).data<float>()[i];
    }
    GradientPoint gradient(int64_t i, float value) {
        const Swap swap(x_, i, value), one(dy_, i, 1.0f);
        const Quantizer& q = probe_.quantizer;
        const QuantizerGrads grads = q.algorithm->backward(q, probe_.grid, x_, dy_);
        GradientPoint point{value, grads.dx.data<float>()[i], {}};
        for (const Tensor& d : grads.parameters) point.by_parameter.push_back(d.data<float>()[0]);
        return point;
    }

    // Finds the edges between x[i] and x[i + 1].
    std::vector<Edge> edges_behind(int64_t i) {
        std::vector<Edge> edges;
        seek(i, {(*this)[i], code(i, (*this)[i])}, {(*this)[i + 1], code(i, (*this)[i + 1])},
             kHalvings, edges);
        return edges;
    }

  private:
    // Replaces an element's value until it goes out of scope.
    class Swap {
      public:
        Swap(Tensor& tensor, int64_t i, float value)
            : place_(tensor.data<float>() + i), before_(*place_) {
            *place_ = value;
        }
        ~Swap() { *place_ = before_; }
        Swap(const Swap&) = delete;
        Swap& operator=(const Swap&) = delete;

      private:
        float* place_;
        float before_;
    };
    struct Sample {
        float x;
        int32_t code;
    };

    void seek(int64_t i, Sample low, Sample high, int halvings, std::vector<Edge>& edges) {
        if (low.code == high.code) return;
        const float middle = low.x + (high.x - low.x) / 2.0f;
        if (halvings == 0 || middle <= low.x || middle >= high.x) {
            edges.push_back({low.x, high.x, high.code});
            return;
        }
        const Sample between{middle, code(i, middle)};
        seek(i, low, between, halvings - 1, edges);
        seek(i, between, high, halvings - 1, edges);
    }

    const QuantizerProbe& probe_;
    Tensor x_, dy_;
};

}  // namespace

Tensor standard_ramp(const QuantizerQuestion& question) {
    const float low = question.asymmetric ? -0.5f : question.is_unsigned ? 0.0f : -1.0f;
    return ramp(low, 1.0f, question.bits);
}

Tensor ramp_for(const QuantizerProbe& probe, const Tensor& first_values) {
    const Quantizer& q = probe.quantizer;
    if (normalises(q)) return first_values;
    const bool interval = q.algorithm->name == std::string("qil");
    const Span span = interval ? span_of_interval(q) : span_of_grid(probe);
    // Values clip half a step beyond the last code; a whole step shows it.
    const float step = interval ? 0.0f : probe.grid.scale.data<float>()[0];
    const float margin = std::max(kMargin * (span.hi - span.lo), step);
    const float low = span.lo - margin, high = span.hi + margin;
    check_kind(std::isfinite(low) && std::isfinite(high) && low < high, ErrorKind::usage,
               "the codes of ", q.algorithm->name, " reach from ", span.lo, " to ", span.hi,
               ", which float32 cannot divide into steps; --set another range");
    return ramp(low, high, q.format.bits);
}

std::vector<Step> staircase(const QuantizerProbe& probe, const Tensor& x) {
    Ramp values(probe, x);
    std::vector<Step> steps;
    const auto begin = [&](int64_t i, float from, int32_t code) {
        steps.push_back({code, values.x_hat(i, from), {values.gradient(i, from)}});
    };
    begin(0, values[0], values.code(0, values[0]));
    for (int64_t i = 0; i + 1 < values.size(); ++i) {
        for (const Edge& edge : values.edges_behind(i)) {
            if (edge.below > steps.back().to()) {
                steps.back().points.push_back(values.gradient(i, edge.below));
            }
            begin(i, edge.above, edge.code_above);
        }
        if (values[i + 1] > steps.back().to()) {
            steps.back().points.push_back(values.gradient(i + 1, values[i + 1]));
        }
    }
    return steps;
}

}  // namespace gradus
