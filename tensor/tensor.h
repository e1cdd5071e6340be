// tensor -- dense numbers on a device. No strides, no laziness; copies share their storage.
#pragma once

#include <memory>
#include <vector>

#include "tensor/check.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tensor/storage.h"

namespace gradus {

class Tensor {
  public:
    Tensor() = default;  // undefined: no storage

    // Uninitialised, zero-filled, filled with one value, copied from host values.
    static Tensor empty(const Shape& shape, DType dtype = DType::F32,
                        Device device = Device::cpu());
    static Tensor zeros(const Shape& shape, DType dtype = DType::F32,
                        Device device = Device::cpu());
    static Tensor full(const Shape& shape, float value);
    template <class T>
    static Tensor from(const std::vector<T>& values, const Shape& shape);

    bool defined() const { return storage_ != nullptr; }
    const Shape& shape() const { return shape_; }
    int64_t numel() const { return shape_.numel(); }
    DType dtype() const { return dtype_; }
    Device device() const { return storage_ ? storage_->device() : Device::cpu(); }
    size_t bytes() const { return static_cast<size_t>(numel()) * dtype_bytes(dtype_); }

    // The elements; T must match the dtype. The pointer is a device pointer on a GPU tensor.
    template <class T>
    T* data();
    template <class T>
    const T* data() const;
    void* raw() { return storage_ ? storage_->data() : nullptr; }
    const void* raw() const { return storage_ ? storage_->data() : nullptr; }

    // The same storage with another shape of equal numel.
    Tensor reshape(const Shape& shape) const;
    Tensor clone() const;
    Tensor to(Device device) const;
    // Overwrites this tensor's elements with those of `from` (same shape and dtype).
    void copy_from(const Tensor& from);
    template <class T>
    std::vector<T> to_vector() const;

  private:
    std::shared_ptr<Storage> storage_;
    Shape shape_;
    DType dtype_ = DType::F32;
};

template <class T>
T* Tensor::data() {
    check(dtype_ == DTypeOf<T>::value, "tensor: asked for ", DTypeOf<T>::value, ", holds ", dtype_);
    return static_cast<T*>(raw());
}

template <class T>
const T* Tensor::data() const {
    return const_cast<Tensor*>(this)->data<T>();
}

template <class T>
Tensor Tensor::from(const std::vector<T>& values, const Shape& shape) {
    check(static_cast<int64_t>(values.size()) == shape.numel(), "tensor: ", values.size(),
          " values do not fill shape ", shape);
    Tensor result = empty(shape, DTypeOf<T>::value);
    std::copy(values.begin(), values.end(), result.data<T>());
    return result;
}

template <class T>
std::vector<T> Tensor::to_vector() const {
    const Tensor host = to(Device::cpu());
    return std::vector<T>(host.data<T>(), host.data<T>() + host.numel());
}

}  // namespace gradus
