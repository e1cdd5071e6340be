// The gradient of the weights:
//   dw[o, k] = scale * sum over pixels (x + offset)[pixel, k] dy[pixel, o]
//
// The problem alone decides the cut: slices of k by chunks of images. A task goes through its
// pixels in small blocks: copies the windows of x into [pixels, columns] floats (widening codes),
// dy into panels of 64 filters, and adds to tiles of sums [k, o]. Chunks are added in order.
#include <vector>

#include "tensor/cpu.h"
#include "tensor/kernels/conv2d.h"
#include "tensor/kernels/conv2d_depthwise.h"
#include "tensor/kernels/conv2d_tiles.h"
#include "tensor/kernels/im2col.h"
#include "tensor/parallel.h"
#include "tensor/tensor.h"

namespace gradus {

namespace {

constexpr int64_t block_pixels = 128;
constexpr int64_t piece_columns = 64;  // of x: with a panel of dy they fill the first-level cache
constexpr int64_t most_pieces = 9;     // of a slice: x and dy are read once for all of them
constexpr int64_t slice_sums = int64_t{1} << 17;  // that stay in the second-level cache
constexpr int64_t least_tasks = 32;

int64_t divide_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

// Consecutive columns of k: whole kernel positions, or some channels of one.
struct Piece {
    int64_t position, positions, channel, channels;
    int64_t columns() const { return positions * channels; }
    int64_t first_column(const Conv2dShape& s) const { return position * s.group_in() + channel; }
};

std::vector<Piece> pieces_of_k(const Conv2dShape& s) {
    std::vector<Piece> pieces;
    const int64_t all = s.kh * s.kw, channels = s.group_in();
    if (channels < piece_columns) {
        const int64_t positions = piece_columns / channels;
        for (int64_t at = 0; at < all; at += positions) {
            pieces.push_back({at, std::min(positions, all - at), 0, channels});
        }
        return pieces;
    }
    for (int64_t at = 0; at < all; ++at) {
        for (int64_t c = 0; c < channels; c += piece_columns) {
            pieces.push_back({at, 1, c, std::min(piece_columns, channels - c)});
        }
    }
    return pieces;
}

struct Cut {
    std::vector<Piece> pieces;
    int64_t slice_pieces, slices;
    int64_t images, chunks;
    int64_t columns;  // of o, a multiple of 16

    explicit Cut(const Conv2dShape& s) : pieces(pieces_of_k(s)) {
        columns = divide_up(s.group_out(), 16) * 16;
        const int64_t all = static_cast<int64_t>(pieces.size());
        const int64_t most =
            std::clamp<int64_t>(slice_sums / (piece_columns * columns), 1, most_pieces);
        slice_pieces = divide_up(all, divide_up(all, most));
        slices = divide_up(all, slice_pieces);
        const int64_t wanted = divide_up(least_tasks, slices * s.attrs.groups);
        images = divide_up(s.n, std::min(s.n, wanted));
        chunks = divide_up(s.n, images);
    }
};

struct ColumnScratch;
struct PanelScratch;

// Filters [first, first + columns) of dy [pixels, O] as a panel, zeros beyond the group's last.
void pack_panel(const float* dy, const Conv2dShape& s, int64_t pixels, int64_t group, int64_t first,
                int64_t columns, float* panel) {
    const int64_t real = std::min(columns, s.group_out() - first);
    dy += group * s.group_out() + first;
    for (int64_t p = 0; p < pixels; ++p, dy += s.o, panel += columns) {
        if (real == WeightTile::width) {
            std::copy_n(dy, WeightTile::width, panel);
            continue;
        }
        std::copy_n(dy, real, panel);
        std::fill_n(panel + real, columns - real, 0.0f);
    }
}

// sum[piece columns, panel columns] += x^T dy.
void add_piece(const float* x, int64_t x_columns, const float* panel, int64_t pixels, float* sum,
               int64_t sum_stride, int64_t columns) {
    const bool avx512 = cpu_has_avx512();
    for (int64_t k = 0; k < x_columns;) {
        const int64_t left = x_columns - k;
        const int64_t rows = left >= 6 ? 6 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
        multiply_weight_tile({.x = x + k,
                              .x_stride = x_columns,
                              .dy = panel,
                              .dy_stride = columns,
                              .pixels = pixels,
                              .sum = sum + k * sum_stride,
                              .sum_stride = sum_stride,
                              .columns = columns},
                             rows, avx512);
        k += rows;
    }
}

// One task: part [K, cut.columns] of one group, for the pieces [begin, end), over some rows.
template <class X>
void add_slice(const X* x, float offset, const float* dy, const Conv2dShape& s, const Cut& cut,
               int64_t group, const Piece* begin, const Piece* end, int64_t row, int64_t rows,
               float* part) {
    float* column =
        thread_scratch<float, ColumnScratch>(most_pieces * block_pixels * piece_columns);
    float* panel = thread_scratch<float, PanelScratch>(block_pixels * WeightTile::width);
    for (const Piece* piece = begin; piece < end; ++piece) {
        std::fill_n(part + piece->first_column(s) * cut.columns, piece->columns() * cut.columns,
                    0.0f);
    }
    for (int64_t done = 0; done < rows; done += block_pixels) {
        const int64_t pixels = std::min(block_pixels, rows - done);
        for (const Piece* piece = begin; piece < end; ++piece) {
            const Im2colBlock block{row + done,
                                    pixels,
                                    piece->position,
                                    piece->positions,
                                    group * s.group_in() + piece->channel,
                                    piece->channels};
            im2col<X, float>(x, s, block, {offset, 0.0f},
                             column + (piece - begin) * block_pixels * piece_columns,
                             piece->columns());
        }
        for (int64_t first = 0; first < cut.columns; first += WeightTile::width) {
            const int64_t columns = std::min(WeightTile::width, cut.columns - first);
            pack_panel(dy + (row + done) * s.o, s, pixels, group, first, columns, panel);
            for (const Piece* piece = begin; piece < end; ++piece) {
                add_piece(column + (piece - begin) * block_pixels * piece_columns, piece->columns(),
                          panel, pixels, part + piece->first_column(s) * cut.columns + first,
                          cut.columns, columns);
            }
        }
    }
}

// dw[o, k] = scale * the sum over chunks of parts[chunk, group, k, o], 16 filters at a time.
void add_chunks(const float* parts, float scale, const Conv2dShape& s, const Cut& cut, float* dw) {
    const int64_t panels = cut.columns / 16, k = s.k();
    const int64_t chunk_stride = s.attrs.groups * k * cut.columns;
    parallel_tasks(s.attrs.groups * panels, [&](int64_t task) {
        const int64_t group = task / panels, first = task % panels * 16;
        const int64_t filters = std::min<int64_t>(16, s.group_out() - first);
        const float* part = parts + group * k * cut.columns + first;
        float* to = dw + (group * s.group_out() + first) * k;
        for (int64_t i = 0; i < k; ++i, part += cut.columns) {
            float sum[16] = {};
            for (int64_t chunk = 0; chunk < cut.chunks; ++chunk) {
                for (int64_t j = 0; j < 16; ++j) sum[j] += part[chunk * chunk_stride + j];
            }
            for (int64_t j = 0; j < filters; ++j) to[j * k + i] = scale * sum[j];
        }
    });
}

template <class X>
void backward_weight(const X* x, float offset, float scale, const float* dy, float* dw,
                     const Conv2dShape& s) {
    if (is_depthwise(s)) return conv2d_backward_weight_depthwise(x, offset, scale, dy, dw, s);
    const Cut cut(s);
    const int64_t groups = s.attrs.groups, image_rows = s.oh * s.ow;
    Tensor parts = Tensor::empty({cut.chunks, groups, s.k(), cut.columns});
    parallel_tasks(cut.chunks * groups * cut.slices, [&](int64_t task) {
        const int64_t slice = task % cut.slices, group = task / cut.slices % groups;
        const int64_t chunk = task / cut.slices / groups;
        const int64_t first = chunk * cut.images, last = std::min(s.n, first + cut.images);
        const Piece* begin = cut.pieces.data() + slice * cut.slice_pieces;
        const int64_t left = static_cast<int64_t>(cut.pieces.size()) - slice * cut.slice_pieces;
        const Piece* end = begin + std::min(cut.slice_pieces, left);
        add_slice(x, offset, dy, s, cut, group, begin, end, first * image_rows,
                  (last - first) * image_rows,
                  parts.data<float>() + (chunk * groups + group) * s.k() * cut.columns);
    });
    add_chunks(parts.data<float>(), scale, s, cut, dw);
}

void conv2d_backward_weight_cpu(const float* x, const float* dy, float* dw, const Conv2dShape& s) {
    backward_weight(x, 0.0f, 1.0f, dy, dw, s);
}

void conv2d_backward_weight_codes_cpu(const CodesOperand& x, const float* dy, float* dw,
                                      const Conv2dShape& s) {
    const float offset = -static_cast<float>(x.zero_point);
    if (x.is_signed) {
        backward_weight(static_cast<const int8_t*>(x.codes), offset, x.scale, dy, dw, s);
    } else {
        backward_weight(static_cast<const uint8_t*>(x.codes), offset, x.scale, dy, dw, s);
    }
}

}  // namespace

constinit Kernel<void(const float*, const float*, float*, const Conv2dShape&)>
    conv2d_backward_weight{"conv2d_backward_weight", conv2d_backward_weight_cpu};
constinit Kernel<void(const CodesOperand&, const float*, float*, const Conv2dShape&)>
    conv2d_backward_weight_codes{"conv2d_backward_weight_codes", conv2d_backward_weight_codes_cpu};

}  // namespace gradus
