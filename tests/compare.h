// compare -- compares tensors, loads golden vectors, and takes gradients from a chosen dy.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

#include "autograd/gradcheck.h"
#include "autograd/variable.h"
#include "io/npy.h"
#include "tensor/parallel.h"
#include "tensor/rng.h"

namespace gradus {

// tests/golden/<name>.npy; the tests run from the repository root.
inline Tensor golden(const std::string& name) {
    return load_npy("tests/golden/" + name + ".npy");
}

// |got - want| <= tolerance * max(1, |want|) for every element of two F32 tensors of one shape.
inline bool close(const Tensor& got, const Tensor& want, double tolerance) {
    if (!got.defined() || got.shape() != want.shape()) {
        std::cerr << "shapes differ: " << got.shape() << " and " << want.shape() << '\n';
        return false;
    }
    const std::vector<float> a = got.to_vector<float>(), b = want.to_vector<float>();
    for (size_t i = 0; i < a.size(); ++i) {
        const double error = std::abs(double{a[i]} - b[i]) / std::max(1.0, std::abs(double{b[i]}));
        if (!(error <= tolerance)) {
            std::cerr << "element " << i << ": got " << a[i] << ", want " << b[i] << '\n';
            return false;
        }
    }
    return true;
}

inline bool same_bits(const Tensor& got, const Tensor& want) {
    if (!got.defined() || got.shape() != want.shape() || got.dtype() != want.dtype()) return false;
    const Tensor a = got.to(Device::cpu()), b = want.to(Device::cpu());
    return std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

// F32 in [low, high), a pure function of the seed.
inline Tensor random_tensor(const Shape& shape, uint64_t seed, float low = -1, float high = 1) {
    Tensor result = Tensor::empty(shape);
    const Rng rng(seed);
    for (int64_t i = 0; i < result.numel(); ++i) {
        result.data<float>()[i] = low + (high - low) * rng.uniform(i);
    }
    return result;
}

// Integer codes in [low, high].
template <class Code>
Tensor random_codes(const Shape& shape, uint64_t seed, int low, int high) {
    Tensor result = Tensor::empty(shape, DTypeOf<Code>::value);
    const Rng rng(seed);
    for (int64_t i = 0; i < result.numel(); ++i) {
        const uint32_t draw = rng.below(i, static_cast<uint32_t>(high - low + 1));
        result.data<Code>()[i] = static_cast<Code>(low + static_cast<int>(draw));
    }
    return result;
}

inline Affine affine(const Tensor& codes, float scale, int32_t zero_point) {
    return Affine{codes, Tensor::full({1}, scale), Tensor::from<int32_t>({zero_point}, {1})};
}

// backward() as if the gradient of y were dy.
inline void backward_from(const Variable& y, const Tensor& dy) {
    backward(record("chosen_gradient", Variable(Tensor::zeros({1})), {y},
                    [dy](const Tensor&) -> Grads { return {dy}; }));
}

// True if run() gives the same bits with 1, 2 and 3 threads.
template <class Run>
bool same_with_threads(const Run& run) {
    const int before = thread_count();
    set_thread_count(1);
    const std::vector<Tensor> one = run();
    bool same = true;
    for (int threads : {2, 3}) {
        set_thread_count(threads);
        const std::vector<Tensor> many = run();
        for (size_t i = 0; i < one.size(); ++i) same = same && same_bits(many[i], one[i]);
    }
    set_thread_count(before);
    return same;
}

}  // namespace gradus
