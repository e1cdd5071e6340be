#include "tensor/tensor.h"

#include <algorithm>
#include <cstring>

namespace gradus {

Tensor Tensor::empty(const Shape& shape, DType dtype, Device device) {
    for (int64_t extent : shape.extents()) {
        check(extent >= 0, "tensor: negative extent in shape ", shape);
    }
    Tensor result;
    result.shape_ = shape;
    result.dtype_ = dtype;
    result.storage_ = std::make_shared<Storage>(result.bytes(), device);
    return result;
}

Tensor Tensor::zeros(const Shape& shape, DType dtype, Device device) {
    Tensor host = empty(shape, dtype);
    std::memset(host.raw(), 0, host.bytes());
    return host.to(device);
}

Tensor Tensor::full(const Shape& shape, float value) {
    Tensor result = empty(shape);
    std::fill_n(result.data<float>(), result.numel(), value);
    return result;
}

Tensor Tensor::reshape(const Shape& shape) const {
    check(shape.numel() == numel(), "reshape: ", shape_, " has ", numel(), " elements, ", shape,
          " has ", shape.numel());
    Tensor result = *this;
    result.shape_ = shape;
    return result;
}

Tensor Tensor::clone() const {
    Tensor result = empty(shape_, dtype_, device());
    result.copy_from(*this);
    return result;
}

Tensor Tensor::to(Device target) const {
    if (target == device()) return *this;
    Tensor result = empty(shape_, dtype_, target);
    result.copy_from(*this);
    return result;
}

void Tensor::copy_from(const Tensor& from) {
    check(from.shape() == shape_ && from.dtype() == dtype_, "copy: ", from.dtype(), from.shape(),
          " does not fit ", dtype_, shape_);
    const Device side = device().type != Device::Type::cpu ? device() : from.device();
    device_copy(side, raw(), from.raw(), bytes());
}

}  // namespace gradus
