// dtype -- the element types of a Tensor. F64 serves numeric checks; training is F32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ostream>

namespace gradus {

enum class DType : uint8_t { F32, F64, I8, U8, I32, I64 };

constexpr size_t dtype_bytes(DType dtype) {
    switch (dtype) {
        case DType::F64:
        case DType::I64:
            return 8;
        case DType::F32:
        case DType::I32:
            return 4;
        case DType::I8:
        case DType::U8:
            return 1;
    }
    return 0;
}

// The spelling of safetensors.
constexpr const char* dtype_name(DType dtype) {
    switch (dtype) {
        case DType::F32:
            return "F32";
        case DType::F64:
            return "F64";
        case DType::I8:
            return "I8";
        case DType::U8:
            return "U8";
        case DType::I32:
            return "I32";
        case DType::I64:
            return "I64";
    }
    return "?";
}

inline std::ostream& operator<<(std::ostream& out, DType dtype) {
    return out << dtype_name(dtype);
}

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
    static constexpr DType value = DType::F32;
};
template <>
struct DTypeOf<double> {
    static constexpr DType value = DType::F64;
};
template <>
struct DTypeOf<int8_t> {
    static constexpr DType value = DType::I8;
};
template <>
struct DTypeOf<uint8_t> {
    static constexpr DType value = DType::U8;
};
template <>
struct DTypeOf<int32_t> {
    static constexpr DType value = DType::I32;
};
template <>
struct DTypeOf<int64_t> {
    static constexpr DType value = DType::I64;
};

}  // namespace gradus
