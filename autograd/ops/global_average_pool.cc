#include "tensor/kernels/global_average_pool.h"

#include "autograd/ops.h"

namespace gradus {

namespace {

Tensor times(const Tensor& zero_point, int64_t pixels) {
    const Tensor host = zero_point.to(Device::cpu());
    Tensor result = Tensor::empty(host.shape(), DType::I32);
    for (int64_t i = 0; i < host.numel(); ++i) {
        result.data<int32_t>()[i] = host.data<int32_t>()[i] * static_cast<int32_t>(pixels);
    }
    return result.to(zero_point.device());
}

// Keeps the average exact: sums of codes, divided only when read as floats.
Variable sum_of_codes(const PixelsShape& shape, const Affine& x) {
    Affine y = x;
    y.codes = Tensor::empty({shape.n, 1, 1, shape.c}, DType::I32, x.codes.device());
    global_sum_pool_codes(x.codes.device(), shape, x.codes.dtype(), x.codes.raw(),
                          y.codes.data<int32_t>());
    y.zero_point = times(x.zero_point, shape.pixels);
    y.count = shape.pixels;
    return Variable(Exact{{y}});
}

Variable average_of_floats(const PixelsShape& shape, const Tensor& x) {
    Tensor y = Tensor::empty({shape.n, 1, 1, shape.c}, DType::F32, x.device());
    global_average_pool_forward(x.device(), shape, x.data<float>(), y.data<float>());
    return Variable(y);
}

}  // namespace

Variable global_average_pool(const Variable& x) {
    const Shape from = x.shape();
    check(from.rank() == 4 && from[1] * from[2] > 0,
          "global_average_pool: needs x [N, H, W, C], got ", from);
    const PixelsShape shape{from[0], from[1] * from[2], from[3]};
    // Codes and zero points are at most 255 in magnitude, so the sums fit int32.
    const bool fits = shape.pixels < (int64_t{1} << 23);
    const bool codes = x.exact() && x.exact()->is_codes() && fits;
    const Variable y =
        codes ? sum_of_codes(shape, x.exact()->terms[0]) : average_of_floats(shape, x.data());
    return record("global_average_pool", y, {x}, [from, shape](const Tensor& dy) -> Grads {
        Tensor dx = Tensor::empty(from, DType::F32, dy.device());
        global_average_pool_backward(dy.device(), shape, dy.data<float>(), dx.data<float>());
        return {dx};
    });
}

}  // namespace gradus
