#include "quant/algorithms/lsq.h"
#include "tensor/cuda_check.cuh"
#include "tensor/storage.h"

namespace gradus {

namespace {

constexpr int threads = 256;
constexpr int64_t chunk = 1 << 15;  // elements of one block, as on the CPU

struct Sums {
    double ds, dz;
};

// One block a piece of a row: every thread its strided share in double, then a fixed tree. The
// sums depend on the shape alone, not on the number of multiprocessors.
__global__ void lsq_pieces(const float* x, const float* dy, ChannelLayout layout,
                           const float* scale, CodeRange range, float* dx, Sums* partial) {
    const int64_t pieces = (layout.inner + chunk - 1) / chunk;
    const int64_t row = blockIdx.x / pieces;
    const int64_t begin = row * layout.inner + blockIdx.x % pieces * chunk;
    const int64_t row_end = (row + 1) * layout.inner;
    const int64_t end = begin + chunk < row_end ? begin + chunk : row_end;
    const float s = scale[row % layout.channels];
    Sums own{0.0, 0.0};
    for (int64_t i = begin + threadIdx.x; i < end; i += threads) {
        const auto terms =
            lsq_terms<float>(x[i], dy[i], s, static_cast<float>(range.zero_point),
                             static_cast<float>(range.qmin), static_cast<float>(range.qmax));
        dx[i] = terms.dx;
        own.ds += terms.ds;
        own.dz += terms.dz;
    }
    __shared__ Sums sums[threads];
    sums[threadIdx.x] = own;
    for (int half = threads / 2; half > 0; half /= 2) {
        __syncthreads();
        if (static_cast<int>(threadIdx.x) < half) {
            sums[threadIdx.x].ds += sums[threadIdx.x + half].ds;
            sums[threadIdx.x].dz += sums[threadIdx.x + half].dz;
        }
    }
    if (threadIdx.x == 0) partial[blockIdx.x] = sums[0];
}

// One thread a channel: its pieces in order.
__global__ void lsq_channels(ChannelLayout layout, const Sums* partial, float* ds, float* dz) {
    const int64_t c = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
    if (c >= layout.channels) return;
    const int64_t pieces = (layout.inner + chunk - 1) / chunk;
    Sums sum{0.0, 0.0};
    for (int64_t o = 0; o < layout.outer; ++o) {
        for (int64_t p = 0; p < pieces; ++p) {
            const Sums& part = partial[(o * layout.channels + c) * pieces + p];
            sum.ds += part.ds;
            sum.dz += part.dz;
        }
    }
    ds[c] = static_cast<float>(sum.ds);
    if (dz) dz[c] = static_cast<float>(sum.dz);
}

// All pointers are device pointers.
void lsq_backward_cuda(const float* x, const float* dy, const ChannelLayout& layout,
                       const float* scale, const CodeRange& range, float* dx, float* ds,
                       float* dz) {
    if (layout.numel() == 0) return;
    const int64_t blocks = layout.outer * layout.channels * ((layout.inner + chunk - 1) / chunk);
    Storage partial(static_cast<size_t>(blocks) * sizeof(Sums), Device::cuda());
    auto* sums = static_cast<Sums*>(partial.data());
    lsq_pieces<<<static_cast<unsigned>(blocks), threads>>>(x, dy, layout, scale, range, dx, sums);
    check_cuda(cudaGetLastError(), "lsq_backward");
    const auto channel_blocks = static_cast<unsigned>((layout.channels + threads - 1) / threads);
    lsq_channels<<<channel_blocks, threads>>>(layout, sums, ds, dz);
    check_cuda(cudaGetLastError(), "lsq_backward");
}

const OnCuda lsq_backward_on_cuda{lsq_backward, lsq_backward_cuda};

}  // namespace

}  // namespace gradus
