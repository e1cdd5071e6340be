#include "tensor/kernels/conv2d_codes_offset.h"

#include <immintrin.h>

#include <algorithm>

#include "tensor/kernels/im2col.h"
#include "tensor/parallel.h"

namespace gradus {

namespace {

struct PixelScratch;
struct WindowScratch;
struct CorrectedScratch;

// The sum of bytes, each xor `flip`.
int32_t sum_bytes(const uint8_t* bytes, int64_t count, uint8_t flip) {
    const __m128i flips = _mm_set1_epi8(static_cast<char>(flip));
    __m128i sums = _mm_setzero_si128();
    int64_t i = 0;
    for (; i + 16 <= count; i += 16) {
        const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + i));
        sums = _mm_add_epi64(sums, _mm_sad_epu8(_mm_xor_si128(codes, flips), _mm_setzero_si128()));
    }
    int32_t sum = _mm_cvtsi128_si32(sums) + _mm_extract_epi32(sums, 2);
    for (; i < count; ++i) sum += bytes[i] ^ flip;
    return sum;
}

void add(const int32_t* from, int64_t count, int32_t* to) {
    for (int64_t i = 0; i < count; ++i) to[i] += from[i];
}

}  // namespace

WeightOffsets::WeightOffsets(const ConvCodes& conv) : shape_(conv.shape) {
    const SignedWeights weights(conv);
    for (int64_t o = 0; o < shape_.o; ++o) zero_points_.push_back(weights.zero_point(o));
    const bool none =
        std::all_of(zero_points_.begin(), zero_points_.end(), [](int32_t z) { return z == 0; });
    if (none) return;
    lines_.resize(shape_.n * shape_.h * shape_.ow * shape_.attrs.groups);
    parallel_chunks(shape_.n * shape_.h, 8, [&](int64_t begin, int64_t end) {
        for (int64_t line = begin; line < end; ++line) sum_line(conv, line);
    });
}

// Sums one line of pixels: over the channels of each group, then over the columns of each window.
void WeightOffsets::sum_line(const ConvCodes& conv, int64_t line) {
    const Conv2dShape& s = shape_;
    const int64_t groups = s.attrs.groups, channels = s.group_in();
    const uint8_t* x = static_cast<const uint8_t*>(conv.x) + line * s.w * s.c;
    const uint8_t flip = conv.x_signed ? 0x80 : 0;
    const int32_t zero = static_cast<int32_t>(channels) * (conv.x_zero_point + flip);
    int32_t* pixels = thread_scratch<int32_t, PixelScratch>(s.w * groups);
    for (int64_t i = 0; i < s.w * groups; ++i) {
        pixels[i] = sum_bytes(x + i * channels, channels, flip) - zero;
    }
    int32_t* sums = lines_.data() + line * s.ow * groups;
    for (int64_t kw = 0; kw < s.kw; ++kw) {
        const int64_t stride = s.attrs.stride_w, iw0 = kw - s.attrs.pad_left;
        const int64_t begin = iw0 < 0 ? (-iw0 + stride - 1) / stride : 0;
        const int64_t end = iw0 < s.w ? std::min(s.ow, (s.w - 1 - iw0) / stride + 1) : 0;
        if (groups == 1) {
            for (int64_t ow = begin; ow < end; ++ow) sums[ow] += pixels[ow * stride + iw0];
        } else {
            for (int64_t ow = begin; ow < end; ++ow) {
                add(pixels + (ow * stride + iw0) * groups, groups, sums + ow * groups);
            }
        }
    }
}

// sums[r, g] = R, for the rows of one output line at a time.
void WeightOffsets::sum_windows(int64_t row, int64_t rows, int32_t* sums) const {
    const Conv2dShape& s = shape_;
    const int64_t groups = s.attrs.groups, last = row + rows;
    std::fill_n(sums, rows * groups, 0);
    for (int64_t run; row < last; row += run, sums += run * groups) {
        const int64_t n = row / (s.oh * s.ow), oh = row / s.ow % s.oh, ow = row % s.ow;
        run = std::min(s.ow - ow, last - row);
        const int64_t ih0 = oh * s.attrs.stride_h - s.attrs.pad_top;
        for (int64_t ih = std::max<int64_t>(ih0, 0); ih < std::min(ih0 + s.kh, s.h); ++ih) {
            add(lines_.data() + ((n * s.h + ih) * s.ow + ow) * groups, run * groups, sums);
        }
    }
}

void WeightOffsets::subtract(int64_t row, int64_t rows, const int32_t* acc,
                             const AccumulatorEpilogue& epilogue) const {
    const int64_t groups = shape_.attrs.groups, filters = shape_.group_out();
    const int64_t most = std::clamp<int64_t>(4096 / shape_.o, 1, rows);
    int32_t* corrected = thread_scratch<int32_t, CorrectedScratch>(most * shape_.o);
    int32_t* sums = thread_scratch<int32_t, WindowScratch>(most * groups);
    for (const int64_t last = row + rows; row < last; row += most) {
        const int64_t now = std::min(most, last - row);
        sum_windows(row, now, sums);
        for (int64_t i = 0; i < now * groups; ++i, acc += filters) {
            const int32_t* zero_points = zero_points_.data() + i % groups * filters;
            const uint32_t sum = sums[i];
            int32_t* to = corrected + i * filters;
            for (int64_t o = 0; o < filters; ++o) to[o] = acc[o] - zero_points[o] * sum;
        }
        epilogue(row, now, corrected);
    }
}

}  // namespace gradus
