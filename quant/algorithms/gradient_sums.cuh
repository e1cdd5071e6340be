// gradient_sums on the GPU: the same elements, the sums by a fixed tree.
#pragma once

#include "quant/algorithms/gradient_terms.h"
#include "tensor/cuda_check.cuh"
#include "tensor/storage.h"

namespace gradus {

namespace gradient_cuda {

constexpr int threads = 256;

// One block for each piece of a row: every thread sums its strided share in double, then a fixed
// tree. The sums depend only on the shape, not on the number of multiprocessors.
template <class Element>
__global__ void pieces_of(const float* x, const float* dy, ChannelLayout layout, Element element,
                          float* dx, GradientSums* partial) {
    const int64_t pieces = (layout.inner + gradient_chunk - 1) / gradient_chunk;
    const int64_t row = blockIdx.x / pieces;
    const int64_t begin = row * layout.inner + blockIdx.x % pieces * gradient_chunk;
    const int64_t row_end = (row + 1) * layout.inner;
    const int64_t end = begin + gradient_chunk < row_end ? begin + gradient_chunk : row_end;
    const auto of_channel = element.channel(row % layout.channels);
    double own0 = 0.0, own1 = 0.0;
    for (int64_t i = begin + threadIdx.x; i < end; i += threads) {
        const auto terms = of_channel(x[i], dy[i]);
        dx[i] = terms.dx;
        own0 += terms.d0;
        own1 += terms.d1;
    }
    __shared__ double sums0[threads], sums1[threads];
    sums0[threadIdx.x] = own0;
    sums1[threadIdx.x] = own1;
    for (int half = threads / 2; half > 0; half /= 2) {
        __syncthreads();
        if (static_cast<int>(threadIdx.x) < half) {
            sums0[threadIdx.x] += sums0[threadIdx.x + half];
            sums1[threadIdx.x] += sums1[threadIdx.x + half];
        }
    }
    if (threadIdx.x == 0) {
        partial[blockIdx.x].d0 = sums0[0];
        partial[blockIdx.x].d1 = sums1[0];
    }
}

// One thread for each channel adds its pieces in order.
__global__ static void channels_of(ChannelLayout layout, const GradientSums* partial, float* d0,
                                   float* d1) {
    const int64_t c = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
    if (c >= layout.channels) return;
    const int64_t pieces = (layout.inner + gradient_chunk - 1) / gradient_chunk;
    double sum0 = 0.0, sum1 = 0.0;
    for (int64_t o = 0; o < layout.outer; ++o) {
        for (int64_t p = 0; p < pieces; ++p) {
            const GradientSums& part = partial[(o * layout.channels + c) * pieces + p];
            sum0 += part.d0;
            sum1 += part.d1;
        }
    }
    if (d0) d0[c] = static_cast<float>(sum0);
    if (d1) d1[c] = static_cast<float>(sum1);
}

}  // namespace gradient_cuda

// All pointers, those in the element included, are device pointers.
template <class Element>
void gradient_sums_cuda(const float* x, const float* dy, const ChannelLayout& layout,
                        const Element& element, float* dx, float* d0, float* d1) {
    using namespace gradient_cuda;
    if (layout.numel() == 0) return;
    const int64_t pieces = (layout.inner + gradient_chunk - 1) / gradient_chunk;
    const int64_t blocks = layout.outer * layout.channels * pieces;
    Storage partial(static_cast<size_t>(blocks) * sizeof(GradientSums), Device::cuda());
    auto* sums = static_cast<GradientSums*>(partial.data());
    pieces_of<<<static_cast<unsigned>(blocks), threads>>>(x, dy, layout, element, dx, sums);
    check_cuda(cudaGetLastError(), "gradient_sums");
    const auto channel_blocks = static_cast<unsigned>((layout.channels + threads - 1) / threads);
    channels_of<<<channel_blocks, threads>>>(layout, sums, d0, d1);
    check_cuda(cudaGetLastError(), "gradient_sums");
}

}  // namespace gradus
