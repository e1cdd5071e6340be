#include "io/weight_layout.h"

namespace gradus {

namespace {

// [o, rows, columns] -> [o, columns, rows].
void transpose(const float* from, float* to, int64_t o, int64_t rows, int64_t columns) {
    for (int64_t i = 0; i < o; ++i) {
        for (int64_t r = 0; r < rows; ++r) {
            for (int64_t c = 0; c < columns; ++c) {
                to[(i * columns + c) * rows + r] = from[(i * rows + r) * columns + c];
            }
        }
    }
}

bool is_filter(const Tensor& t) {
    return t.shape().rank() == 4 && t.dtype() == DType::F32;
}

}  // namespace

Tensor filters_to_file(const Tensor& ohwi) {
    if (!is_filter(ohwi)) return ohwi;
    const Shape& s = ohwi.shape();
    Tensor result = Tensor::empty({s[0], s[3], s[1], s[2]});
    transpose(ohwi.data<float>(), result.data<float>(), s[0], s[1] * s[2], s[3]);
    return result;
}

Tensor filters_from_file(const Tensor& oihw) {
    if (!is_filter(oihw)) return oihw;
    const Shape& s = oihw.shape();
    Tensor result = Tensor::empty({s[0], s[2], s[3], s[1]});
    transpose(oihw.data<float>(), result.data<float>(), s[0], s[1], s[2] * s[3]);
    return result;
}

}  // namespace gradus
