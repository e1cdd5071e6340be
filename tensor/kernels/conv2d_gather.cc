#include "tensor/kernels/conv2d_gather.h"

#include <algorithm>
#include <array>

#include "tensor/cpu.h"
#include "tensor/kernels/conv2d_tiles.h"
#include "tensor/parallel.h"
#include "tensor/tensor.h"

namespace gradus {

namespace {

constexpr int64_t tile_pixels = GatherTile::pixels;
constexpr int64_t panel_width = GatherTile::width;

int64_t divide_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}
int64_t round_up(int64_t a, int64_t b) {
    return divide_up(a, b) * b;
}

// Weights in the order that tiles read them: for each group, panels of 64 outputs (the last of a
// multiple of 16, padded with zeros), each [taps][channels][columns]. `from` holds the bias
// likewise.
struct Panels {
    int64_t count;    // of one group
    int64_t columns;  // of one group, all panels
    Tensor weights, from;

    explicit Panels(const ConvGather& g)
        : count(divide_up(g.outs, panel_width)),
          columns(round_up(g.outs, 16)),
          weights(Tensor::empty({g.groups * columns * depth(g)})),
          from(Tensor::zeros({g.groups * columns})) {
        const int64_t taps = static_cast<int64_t>(g.taps.size());
        parallel_tasks(g.groups * count * std::max<int64_t>(1, taps), [&](int64_t task) {
            const int64_t panel = task / std::max<int64_t>(1, taps);
            if (taps > 0) pack(g, panel / count, panel % count, task % taps);
        });
        for (int64_t i = 0; g.bias && i < g.groups * g.outs; ++i) {
            from.data<float>()[i / g.outs * columns + i % g.outs] = g.bias[i];
        }
    }

    static int64_t depth(const ConvGather& g) {
        return static_cast<int64_t>(g.taps.size()) * g.channels;
    }
    int64_t width(int64_t panel) const {
        return std::min(panel_width, columns - panel * panel_width);
    }
    int64_t at(const ConvGather& g, int64_t group, int64_t panel) const {
        return (group * columns + panel * panel_width) * depth(g);
    }

    // Packs one tap of one panel, in blocks of 16 channels, so that either order of w is read well.
    void pack(const ConvGather& g, int64_t group, int64_t panel, int64_t tap) {
        const int64_t wide = width(panel), first = panel * panel_width;
        const int64_t real = std::min(wide, g.outs - first);
        float* to = weights.data<float>() + at(g, group, panel) + tap * g.channels * wide;
        const float* w =
            g.w + group * g.w_group_stride + g.taps[tap].w_offset + first * g.w_out_stride;
        for (int64_t block = 0; block < g.channels; block += 16) {
            const int64_t end = std::min(g.channels, block + 16);
            for (int64_t o = 0; o < real && g.w_out_stride != 1; ++o) {
                for (int64_t c = block; c < end; ++c) {
                    to[c * wide + o] = w[c * g.w_channel_stride + o * g.w_out_stride];
                }
            }
            for (int64_t c = block; c < end; ++c) {
                if (g.w_out_stride == 1)
                    std::copy_n(w + c * g.w_channel_stride, real, to + c * wide);
                std::fill_n(to + c * wide + real, wide - real, 0.0f);
            }
        }
    }
};

// Walks over the grid pixel by pixel.
struct Cursor {
    int64_t n, qh, qw;
    Cursor(const ConvGather& g, int64_t row)
        : n(row / (g.grid_h * g.grid_w)), qh(row / g.grid_w % g.grid_h), qw(row % g.grid_w) {}
    void step(const ConvGather& g) {
        if (++qw < g.grid_w) return;
        qw = 0;
        if (++qh < g.grid_h) return;
        qh = 0;
        ++n;
    }
};

// A block of pixels, a panel of outputs, a run of taps.
struct Block {
    int64_t group, panel;
    int64_t row, rows;
    int64_t tap, taps;
    bool first;  // run: the sums start from the bias
};

class Worker {
  public:
    Worker(const ConvGather& g, const Panels& panels, const float* zeros)
        : g_(g), panels_(panels), zeros_(zeros), pixel_(g.taps.size() * tile_pixels) {}

    void run(const Block& b) {
        const int64_t wide = panels_.width(b.panel);
        GatherTile tile;
        tile.pixel = pixel_.data();
        tile.taps = b.taps;
        tile.channels = g_.channels;
        tile.columns = wide;
        tile.panel = panels_.weights.data<float>() + panels_.at(g_, b.group, b.panel) +
                     b.tap * g_.channels * wide;
        tile.from = from_.data();
        tile.out = out_.data();
        Cursor cursor(g_, b.row);
        for (int64_t done = 0; done < b.rows; done += tile_pixels) {
            const int64_t pixels = std::min(tile_pixels, b.rows - done);
            aim(b, pixels, cursor);
            multiply_gather_tile(tile, avx512_);
            if (cut_) copy_tails(b, pixels);
        }
    }

    // True if the panel is wider than its outputs: its tiles go through a buffer.
    bool cut(int64_t panel) {
        return cut_ = (panel * panel_width + panels_.width(panel) > g_.outs);
    }

  private:
    // Points pixel_, from_ and out_ at the next pixels; pixels beyond the last read zeros and write
    // into the buffer.
    void aim(const Block& b, int64_t pixels, Cursor& cursor) {
        const float* start =
            panels_.from.data<float>() + b.group * panels_.columns + b.panel * panel_width;
        for (int64_t i = 0; i < tile_pixels; ++i) {
            from_[i] = start;
            out_[i] = buffer_ + i * panel_width;
            if (i < pixels) {
                aim_at(b, cursor, i);
                cursor.step(g_);
            } else {
                for (int64_t t = 0; t < b.taps; ++t) pixel_[t * tile_pixels + i] = zeros_;
            }
        }
    }

    void aim_at(const Block& b, const Cursor& at, int64_t i) {
        const int64_t in_pixel = g_.groups * g_.channels, out_pixel = g_.groups * g_.outs;
        const int64_t ih = at.qh * g_.in_step_h, iw = at.qw * g_.in_step_w;
        const float* in =
            g_.in + ((at.n * g_.in_h + ih) * g_.in_w + iw) * in_pixel + b.group * g_.channels;
        for (int64_t t = 0; t < b.taps; ++t) {
            const ConvTap& tap = g_.taps[b.tap + t];
            const bool inside = ih + tap.dh >= 0 && ih + tap.dh < g_.in_h && iw + tap.dw >= 0 &&
                                iw + tap.dw < g_.in_w;
            pixel_[t * tile_pixels + i] =
                inside ? in + (tap.dh * g_.in_w + tap.dw) * in_pixel : zeros_;
        }
        const int64_t oh = at.qh * g_.out_step_h + g_.out_first_h;
        const int64_t ow = at.qw * g_.out_step_w + g_.out_first_w;
        real_out_[i] = g_.out + ((at.n * g_.out_h + oh) * g_.out_w + ow) * out_pixel +
                       b.group * g_.outs + b.panel * panel_width;
        if (!cut_) out_[i] = real_out_[i];
        if (!b.first) from_[i] = real_out_[i];
    }

    void copy_tails(const Block& b, int64_t pixels) {
        const int64_t columns = g_.outs - b.panel * panel_width;
        for (int64_t i = 0; i < pixels; ++i) {
            std::copy_n(buffer_ + i * panel_width, columns, real_out_[i]);
        }
    }

    const ConvGather& g_;
    const Panels& panels_;
    const float* zeros_;
    const bool avx512_ = cpu_has_avx512();
    bool cut_ = false;
    std::vector<const float*> pixel_;
    std::array<const float*, tile_pixels> from_;
    std::array<float*, tile_pixels> out_, real_out_;
    float buffer_[tile_pixels * panel_width];
};

// Pixels of one task: enough to use a panel of weights well, few enough for many threads.
int64_t rows_per_task(int64_t rows, int64_t panels) {
    return std::clamp<int64_t>(round_up(divide_up(rows * panels, 64), tile_pixels), 24, 192);
}

// Runs of taps whose part of a panel, about 288 KiB, stays in the second-level cache.
int64_t taps_per_run(const ConvGather& g) {
    const int64_t taps = static_cast<int64_t>(g.taps.size());
    const int64_t runs = divide_up(taps * g.channels, 1152);
    return std::max<int64_t>(1, divide_up(taps, std::max<int64_t>(1, runs)));
}

}  // namespace

void conv2d_gather(const ConvGather& g) {
    const int64_t rows = g.n * g.grid_h * g.grid_w, taps = static_cast<int64_t>(g.taps.size());
    const Panels panels(g);
    const std::vector<float> zeros(g.channels);
    const int64_t task_rows = rows_per_task(rows, g.groups * panels.count);
    const int64_t blocks = divide_up(rows, task_rows);
    parallel_tasks(g.groups * panels.count * blocks, [&](int64_t task) {
        Worker worker(g, panels, zeros.data());
        Block b;
        b.group = task / blocks / panels.count;
        b.panel = task / blocks % panels.count;
        b.row = task % blocks * task_rows;
        b.rows = std::min(task_rows, rows - b.row);
        // A cut panel cannot keep its sums between two runs.
        const int64_t run = worker.cut(b.panel) ? std::max<int64_t>(1, taps) : taps_per_run(g);
        for (b.tap = 0; b.tap == 0 || b.tap < taps; b.tap += run) {
            b.taps = std::min(run, taps - b.tap);
            b.first = b.tap == 0;
            worker.run(b);
        }
    });
}

}  // namespace gradus
