// dyadic -- dyadic rationals in integers: evaluates a rule's definition without float operations.
//
// A value is n 2^exponent. Products and sums are exact; quotients keep 60 bits more than their
// operands and a sticky bit below, so that every rounding of at most 53 bits is correct.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace gradus {

enum Tie { even, away, up };

inline __int128 magnitude(__int128 v) {
    return v < 0 ? -v : v;
}
inline __int128 floor_divide(__int128 a, __int128 b) {
    const __int128 q = a / b;
    return q * b > a ? q - 1 : q;
}
inline __int128 saturated(__int128 v, __int128 limit) {
    return v > limit ? limit : v < -limit - 1 ? -limit - 1 : v;
}

// n / 2^shift as an integer.
inline __int128 shift_rounded(__int128 n, int shift, Tie tie) {
    if (shift == 0) return n;
    if (shift > 125) return 0;  // below a half: operands have less than 124 bits
    const __int128 unit = __int128{1} << shift, below = floor_divide(n, unit);
    const __int128 rest = n - below * unit, half = unit / 2;
    if (rest != half) return rest > half ? below + 1 : below;
    if (tie == even) return below % 2 == 0 ? below : below + 1;
    return tie == up || n > 0 ? below + 1 : below;
}

struct Dyadic {
    __int128 n;
    int exponent;

    static Dyadic of(int64_t v) { return Dyadic{v, 0}.reduced(); }
    // From the bits; subnormals included.
    static Dyadic of(float v) {
        const uint32_t bits = std::bit_cast<uint32_t>(v);
        const int field = static_cast<int>(bits >> 23 & 255);
        const __int128 mantissa = (bits & 0x7FFFFF) | (field == 0 ? 0u : 0x800000u);
        return Dyadic{bits >> 31 ? -mantissa : mantissa, (field == 0 ? 1 : field) - 150}.reduced();
    }

    int bits() const {
        int count = 0;
        for (__int128 v = magnitude(n); v != 0; v >>= 1) ++count;
        return count;
    }
    bool power_of_two() const { return reduced().n == 1; }

    // Reduces n to its fewest bits.
    Dyadic reduced() const {
        Dyadic r = *this;
        if (n == 0) return {0, 0};
        for (; r.n % 2 == 0; r.n /= 2) ++r.exponent;
        return r;
    }
    // Rounds to a significand of `width` bits, ties to even: 24 is float, 53 is double (while
    // neither overflows nor is subnormal).
    Dyadic rounded(int width) const {
        const int extra = bits() - width;
        if (extra <= 0) return reduced();
        return Dyadic{shift_rounded(n, extra, even), exponent + extra}.reduced();
    }
    Dyadic f32() const { return rounded(24); }
    // Rounds toward zero.
    Dyadic truncated(int width) const {
        const int extra = bits() - width;
        if (extra <= 0) return *this;
        return Dyadic{n / (__int128{1} << extra), exponent + extra}.reduced();
    }
    // Rounds to an integer; saturates at 2^90.
    __int128 integer(Tie tie) const {
        if (exponent <= 0) return shift_rounded(n, -exponent, tie);
        if (n == 0) return 0;
        if (bits() + exponent > 90) return n < 0 ? -(__int128{1} << 90) : __int128{1} << 90;
        return n * (__int128{1} << exponent);
    }
};

inline Dyadic operator*(const Dyadic& a, const Dyadic& b) {
    return Dyadic{a.n * b.n, a.exponent + b.exponent}.reduced();
}
// If the exponents are too far apart for 128 bits, the smaller operand becomes a sticky bit.
inline Dyadic operator+(const Dyadic& a, const Dyadic& b) {
    const Dyadic x = a.reduced(), y = b.reduced();
    if (x.n == 0) return y;
    if (y.n == 0) return x;
    if (x.exponent < y.exponent) return y + x;
    const int gap = x.exponent - y.exponent, room = 120 - x.bits();
    if (gap <= room) return Dyadic{x.n * (__int128{1} << gap) + y.n, y.exponent}.reduced();
    return {x.n * (__int128{1} << room) + (y.n < 0 ? -1 : 1), x.exponent - room};
}
inline Dyadic operator/(const Dyadic& a, const Dyadic& b) {
    const Dyadic x = a.reduced(), y = b.reduced();
    const int widen = 124 - x.bits() > 60 + y.bits() ? 60 + y.bits() : 124 - x.bits();
    const __int128 wide = x.n * (__int128{1} << widen);
    const __int128 quotient = wide / y.n, rest = wide % y.n;
    const bool negative = (x.n < 0) != (y.n < 0);
    return Dyadic{2 * quotient + (rest == 0  ? 0
                                  : negative ? -1
                                             : 1),
                  x.exponent - y.exponent - widen - 1}
        .reduced();
}

}  // namespace gradus
