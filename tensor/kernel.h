// kernel -- one named computation with one slot per device.
//
// The CPU slot is filled where the kernel is defined; a .cu file fills the CUDA slot by a static
// OnCuda object. Slots are written before main only, and read-only after.
#pragma once

#include <utility>

#include "tensor/check.h"
#include "tensor/device.h"

// The one macro: a formula compiled for both devices.
#ifdef __CUDACC__
#define HOST_DEVICE __host__ __device__
#else
#define HOST_DEVICE
#endif

namespace gradus {

template <class Signature>
class Kernel;

template <class... Args>
class Kernel<void(Args...)> {
  public:
    using Function = void (*)(Args...);

    constexpr Kernel(const char* name, Function cpu) : name_(name), slots_{cpu, nullptr} {}

    void operator()(Device device, Args... args) const {
        const Function function = slots_[static_cast<int>(device.type)];
        if (!function) {
            fail(ErrorKind::runtime, "kernel not in this build: ", name_, " on ", device,
                 "; build with nvcc, or use --device cpu");
        }
        function(std::forward<Args>(args)...);
    }

    void fill(Device::Type type, Function function) { slots_[static_cast<int>(type)] = function; }
    const char* name() const { return name_; }
    bool filled(Device::Type type) const { return slots_[static_cast<int>(type)] != nullptr; }

  private:
    const char* name_;
    Function slots_[Device::type_count];
};

// Fills the CUDA slot of a kernel: const OnCuda relu_on_cuda{relu_forward, relu_forward_cuda};
struct OnCuda {
    template <class Signature>
    OnCuda(Kernel<Signature>& kernel, typename Kernel<Signature>::Function function) {
        kernel.fill(Device::Type::cuda, function);
    }
};

}  // namespace gradus
