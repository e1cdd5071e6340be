#include "io/weight_layout.h"

namespace gradus {

namespace {

// [o, rows, columns] -> [o, columns, rows].
template <class T>
void transpose(const T* from, T* to, int64_t o, int64_t rows, int64_t columns) {
    for (int64_t i = 0; i < o; ++i) {
        for (int64_t r = 0; r < rows; ++r) {
            for (int64_t c = 0; c < columns; ++c) {
                to[(i * columns + c) * rows + r] = from[(i * rows + r) * columns + c];
            }
        }
    }
}

bool is_filter(const Tensor& t) {
    return t.shape().rank() == 4 && (t.dtype() == DType::F32 || dtype_bytes(t.dtype()) == 1);
}

// Transposes each [rows, columns] of the filters of `from`, into `shape`; codes are single bytes.
Tensor turned(const Tensor& from, const Shape& shape, int64_t rows, int64_t columns) {
    Tensor result = Tensor::empty(shape, from.dtype());
    if (from.dtype() == DType::F32) {
        transpose(from.data<float>(), result.data<float>(), shape[0], rows, columns);
    } else {
        transpose(static_cast<const uint8_t*>(from.raw()), static_cast<uint8_t*>(result.raw()),
                  shape[0], rows, columns);
    }
    return result;
}

}  // namespace

Tensor filters_to_file(const Tensor& ohwi) {
    if (!is_filter(ohwi)) return ohwi;
    const Shape& s = ohwi.shape();
    return turned(ohwi, {s[0], s[3], s[1], s[2]}, s[1] * s[2], s[3]);
}

Tensor filters_from_file(const Tensor& oihw) {
    if (!is_filter(oihw)) return oihw;
    const Shape& s = oihw.shape();
    return turned(oihw, {s[0], s[2], s[3], s[1]}, s[1], s[2] * s[3]);
}

}  // namespace gradus
