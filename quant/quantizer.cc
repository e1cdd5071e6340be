#include "quant/quantizer.h"

#include <cmath>

#include "quant/algorithms/rows.h"
#include "quant/quantize_codes.h"
#include "tensor/channel_layout.h"
#include "tensor/find_row.h"

namespace gradus {

const std::vector<Algorithm>& algorithms() {
    static const std::vector<Algorithm> rows{lsq_algorithm};
    return rows;
}

const Algorithm& find_algorithm(const std::string& name) {
    return find_row(algorithms(), "algorithm", name);
}

Parameter& Quantizer::parameter(const std::string& suffix) const {
    for (const auto& candidate : parameters) {
        if (candidate->name == name + "." + suffix) return *candidate;
    }
    fail(ErrorKind::runtime, name, ": no parameter is called ", suffix);
}

std::string Quantizer::describe() const {
    return join(algorithm->name, ' ', gradus::describe(format),
                learn_zero_point ? " learned zero point" : "");
}

int64_t channel_count(const QuantFormat& format, const Shape& shape) {
    return format.per_channel() ? shape[format.channel_axis] : 1;
}

float lsq_gradient_scale(const QuantFormat& format, const Shape& shape) {
    const double elements = static_cast<double>(shape.numel() / channel_count(format, shape));
    return static_cast<float>(1.0 / std::sqrt(elements * format.qmax()));
}

Affine quantize_to_grid(const Tensor& x, const Grid& grid, const QuantFormat& format) {
    Affine result{Tensor::empty(x.shape(), format.code_dtype(), x.device()), grid.scale,
                  grid.zero_point, format.channel_axis};
    const ChannelLayout layout = channel_layout(x.shape(), format.channel_axis);
    check(grid.scale.numel() == layout.channels, "quantize: ", grid.scale.numel(),
          " scales do not fit ", x.shape());
    quantize_codes(
        x.device(), x.data<float>(), layout, grid.scale.data<float>(),
        {grid.zero_point.data<int32_t>()[0], format.qmin(), format.qmax(), format.is_signed},
        result.codes.raw());
    return result;
}

}  // namespace gradus
