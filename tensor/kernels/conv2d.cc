#include "tensor/kernels/conv2d.h"

#include <vector>

#include "tensor/kernels/im2col.h"
#include "tensor/kernels/sgemm.h"
#include "tensor/parallel.h"

namespace gradus {

namespace {

struct ColumnScratch;

int64_t divide_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

// Rows of an im2col block: about 512 KiB of floats, so that it stays in the second-level cache.
int64_t rows_per_block(int64_t k) {
    return std::clamp<int64_t>((int64_t{1} << 17) / k, 64, 1024);
}

bool reads_rows(const Conv2dShape& s) {
    const Conv2dAttrs& a = s.attrs;
    return s.kh == 1 && s.kw == 1 && a.stride_h == 1 && a.stride_w == 1 && a.pad_top == 0 &&
           a.pad_left == 0 && a.pad_bottom == 0 && a.pad_right == 0;
}

void conv2d_forward_cpu(const float* x, const float* w, const float* bias, float* y,
                        const Conv2dShape& s) {
    const int64_t all_rows = s.n * s.oh * s.ow, k = s.k();
    const int64_t block_rows = rows_per_block(k), blocks = divide_up(all_rows, block_rows);
    parallel_tasks(blocks * s.attrs.groups, [&](int64_t task) {
        const int64_t group = task % s.attrs.groups, row = task / s.attrs.groups * block_rows;
        const int64_t rows = std::min(block_rows, all_rows - row);
        const int64_t o = s.group_out(), first = group * o;
        float* out = y + row * s.o + first;
        if (bias) {
            for (int64_t r = 0; r < rows; ++r) std::copy_n(bias + first, o, out + r * s.o);
        }
        const SgemmBlock block{
            .m = rows, .n = o, .k = k, .transpose_b = true, .accumulate = bias != nullptr};
        if (reads_rows(s)) {
            sgemm(block, x + row * s.c + group * s.group_in(), s.c, w + first * k, k, out, s.o);
            return;
        }
        float* column = thread_scratch<float, ColumnScratch>(rows * k);
        im2col<float, float>(x, s, {row, rows, 0, s.kh * s.kw, group}, {0.0f, 0.0f}, column, k);
        sgemm(block, column, k, w + first * k, k, out, s.o);
    });
}

// dx += the columns of one block of rows, each added where im2col read it.
void col2im_add(const float* column, const Conv2dShape& s, const Im2colBlock& block, float* dx) {
    const int64_t channels = s.group_in(), first = block.group * channels;
    for (int64_t row = block.row; row < block.row + block.rows; ++row) {
        const int64_t n = row / (s.oh * s.ow), oh = row / s.ow % s.oh, ow = row % s.ow;
        for (int64_t at = 0; at < s.kh * s.kw; ++at, column += channels) {
            const int64_t ih = oh * s.attrs.stride_h - s.attrs.pad_top + at / s.kw;
            const int64_t iw = ow * s.attrs.stride_w - s.attrs.pad_left + at % s.kw;
            if (ih < 0 || ih >= s.h || iw < 0 || iw >= s.w) continue;
            float* to = dx + ((n * s.h + ih) * s.w + iw) * s.c + first;
            for (int64_t c = 0; c < channels; ++c) to[c] += column[c];
        }
    }
}

void conv2d_backward_input_cpu(const float* dy, const float* w, float* dx, const Conv2dShape& s) {
    const int64_t image_rows = s.oh * s.ow, k = s.k();
    const int64_t images = std::max<int64_t>(1, 256 / image_rows);
    parallel_tasks(divide_up(s.n, images), [&](int64_t task) {
        const int64_t n = task * images, end = std::min(s.n, n + images);
        std::fill_n(dx + n * s.h * s.w * s.c, (end - n) * s.h * s.w * s.c, 0.0f);
        const int64_t block_rows = rows_per_block(k);
        float* column = thread_scratch<float, ColumnScratch>(block_rows * k);
        for (int64_t group = 0; group < s.attrs.groups; ++group) {
            const int64_t o = s.group_out();
            for (int64_t row = n * image_rows; row < end * image_rows; row += block_rows) {
                const int64_t rows = std::min(block_rows, end * image_rows - row);
                sgemm({.m = rows, .n = k, .k = o}, dy + row * s.o + group * o, s.o,
                      w + group * o * k, k, column, k);
                col2im_add(column, s, {row, rows, 0, s.kh * s.kw, group}, dx);
            }
        }
    });
}

// How the sum over images is cut: chunks of images, slices of kernel positions.
struct WeightTasks {
    int64_t positions;  // in one slice
    int64_t slices;
    int64_t images;  // in one chunk
    int64_t chunks;
};

WeightTasks weight_tasks(const Conv2dShape& s) {
    const int64_t all_positions = s.kh * s.kw;
    const int64_t positions = std::min(all_positions, divide_up(64, s.group_in()));
    const int64_t slices = divide_up(all_positions, positions);
    const int64_t wanted = std::min(s.n, divide_up(32, slices * s.attrs.groups));
    const int64_t images = divide_up(s.n, wanted);
    return {positions, slices, images, divide_up(s.n, images)};
}

// part[o, k] = sum over one chunk of images, for one slice of k of one group.
template <class T>
void weight_part(const T* x, float offset, const float* dy, const Conv2dShape& s,
                 const Im2colBlock& task, float* part) {
    const int64_t o = s.group_out(), k = s.k(), columns = task.columns(s);
    const int64_t block_rows = rows_per_block(columns);
    float* column = thread_scratch<float, ColumnScratch>(block_rows * columns);
    for (int64_t done = 0; done < task.rows; done += block_rows) {
        Im2colBlock block = task;
        block.row += done;
        block.rows = std::min(block_rows, task.rows - done);
        im2col<T, float>(x, s, block, {offset, 0.0f}, column, columns);
        const SgemmBlock product{
            .m = o, .n = columns, .k = block.rows, .transpose_a = true, .accumulate = done > 0};
        sgemm(product, dy + block.row * s.o + task.group * o, s.o, column, columns,
              part + task.group * o * k + task.position * s.group_in(), k);
    }
}

template <class T>
void backward_weight(const T* x, int32_t zero_point, float scale, const float* dy, float* dw,
                     const Conv2dShape& s) {
    const WeightTasks cut = weight_tasks(s);
    const int64_t size = s.o * s.k();
    std::vector<float> parts(cut.chunks * size);
    parallel_tasks(cut.chunks * s.attrs.groups * cut.slices, [&](int64_t task) {
        const int64_t slice = task % cut.slices, group = task / cut.slices % s.attrs.groups;
        const int64_t chunk = task / cut.slices / s.attrs.groups;
        const int64_t first = chunk * cut.images, last = std::min(s.n, first + cut.images);
        const Im2colBlock block{
            first * s.oh * s.ow, (last - first) * s.oh * s.ow, slice * cut.positions,
            std::min(cut.positions, s.kh * s.kw - slice * cut.positions), group};
        weight_part(x, -static_cast<float>(zero_point), dy, s, block, parts.data() + chunk * size);
    });
    for_each_cpu(size, [&](int64_t i) {
        float sum = 0.0f;
        for (int64_t chunk = 0; chunk < cut.chunks; ++chunk) sum += parts[chunk * size + i];
        dw[i] = scale * sum;
    });
}

void conv2d_backward_weight_cpu(const float* x, const float* dy, float* dw, const Conv2dShape& s) {
    backward_weight(x, 0, 1.0f, dy, dw, s);
}

void conv2d_backward_weight_codes_cpu(const CodesOperand& x, const float* dy, float* dw,
                                      const Conv2dShape& s) {
    if (x.is_signed) {
        backward_weight(static_cast<const int8_t*>(x.codes), x.zero_point, x.scale, dy, dw, s);
    } else {
        backward_weight(static_cast<const uint8_t*>(x.codes), x.zero_point, x.scale, dy, dw, s);
    }
}

void conv2d_backward_bias_cpu(const float* dy, float* dbias, int64_t rows, int64_t o) {
    const int64_t chunk_rows = 512, chunks = divide_up(rows, chunk_rows);
    std::vector<float> parts(chunks * o);
    parallel_tasks(chunks, [&](int64_t chunk) {
        const int64_t first = chunk * chunk_rows;
        conv2d_backward_bias_readable(dy + first * o, parts.data() + chunk * o,
                                      std::min(chunk_rows, rows - first), o);
    });
    conv2d_backward_bias_readable(parts.data(), dbias, chunks, o);
}

}  // namespace

constinit Kernel<void(const float*, const float*, const float*, float*, const Conv2dShape&)>
    conv2d_forward{"conv2d_forward", conv2d_forward_cpu};
constinit Kernel<void(const float*, const float*, float*, const Conv2dShape&)>
    conv2d_backward_input{"conv2d_backward_input", conv2d_backward_input_cpu};
constinit Kernel<void(const float*, const float*, float*, const Conv2dShape&)>
    conv2d_backward_weight{"conv2d_backward_weight", conv2d_backward_weight_cpu};
constinit Kernel<void(const CodesOperand&, const float*, float*, const Conv2dShape&)>
    conv2d_backward_weight_codes{"conv2d_backward_weight_codes", conv2d_backward_weight_codes_cpu};
constinit Kernel<void(const float*, float*, int64_t, int64_t)> conv2d_backward_bias{
    "conv2d_backward_bias", conv2d_backward_bias_cpu};

}  // namespace gradus
