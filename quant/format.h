// format -- the integers that a quantizer may use.
//
// Ranges (MQBench 1.2): signed [-2^(b-1), 2^(b-1)-1], narrow [-(2^(b-1)-1), 2^(b-1)-1],
// unsigned [0, 2^b-1].
#pragma once

#include <string>

#include "tensor/check.h"
#include "tensor/dtype.h"

namespace gradus {

// Smallest legal scale: float epsilon (MQBench 0.4).
constexpr float kScaleFloor = 1.1920929e-7f;

// The range of a code, both ends included.
struct CodeBounds {
    int32_t lo, hi;
};

struct QuantFormat {
    int bits = 8;  // 2 to 8
    bool is_signed = true;
    bool symmetric = true;      // zero point 0; else a zero point within the range
    bool narrow = false;        // signed only: without the lowest code
    bool power_of_two = false;  // scales are powers of two
    int channel_axis = -1;      // one scale per index of this axis; -1: one for the tensor

    int qmin() const { return is_signed ? -(1 << (bits - 1)) + (narrow ? 1 : 0) : 0; }
    int qmax() const { return is_signed ? (1 << (bits - 1)) - 1 : (1 << bits) - 1; }
    DType code_dtype() const { return is_signed ? DType::I8 : DType::U8; }
    bool per_channel() const { return channel_axis >= 0; }

    void validate(const std::string& where) const {
        check_kind(bits >= 2 && bits <= 8, ErrorKind::usage, where, ": ", bits,
                   " bits; quantizers have 2 to 8");
        check(is_signed || !narrow, where, ": an unsigned range cannot be narrow");
    }
    bool operator==(const QuantFormat&) const = default;
};

// "u4 asymmetric per tensor [0, 15]"
std::string describe(const QuantFormat& format);

}  // namespace gradus
