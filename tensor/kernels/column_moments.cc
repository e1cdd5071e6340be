#include "tensor/kernels/column_moments.h"

#include "tensor/kernels/column_sums.h"

namespace gradus {

namespace {

// Sums of one chunk of rows about a value near its mean, so that the variance does not cancel.
struct ChunkSums {
    std::vector<float> centre;           // [channels]
    std::vector<double> first, squares;  // sum d and sum d d with d = x - centre
};

ChunkSums chunk_sums(const float* x, int64_t begin, int64_t end, int64_t channels) {
    ChunkSums s{std::vector<float>(channels), std::vector<double>(channels), {}};
    const int64_t samples = std::min<int64_t>(16, end - begin), step = (end - begin) / samples;
    add_columns<1>(
        0, samples, channels,
        [=](auto load, int64_t r, int64_t c) {
            return std::array{load(x + (begin + r * step) * channels + c)};
        },
        s.first.data());
    for (int64_t c = 0; c < channels; ++c) {
        s.centre[c] = static_cast<float>(s.first[c] / static_cast<double>(samples));
    }
    std::vector<double> sums(2 * channels);
    const float* centre = s.centre.data();
    add_columns<2>(
        begin, end, channels,
        [=](auto load, int64_t r, int64_t c) {
            const auto d = load(x + r * channels + c) - load(centre + c);
            return std::array{d, d * d};
        },
        sums.data());
    s.first.assign(sums.begin(), sums.begin() + channels);
    s.squares.assign(sums.begin() + channels, sums.end());
    return s;
}

}  // namespace

// The chunks are joined by the parallel-variance formula (Chan, Golub & LeVeque,
// "Algorithms for computing the sample variance", 1983).
Moments column_moments(const float* x, int64_t rows, int64_t channels) {
    const int64_t chunk = column_chunk_rows(channels);
    std::vector<ChunkSums> chunks((rows + chunk - 1) / chunk);
    parallel_chunks(rows, chunk, [&](int64_t begin, int64_t end) {
        chunks[begin / chunk] = chunk_sums(x, begin, end, channels);
    });
    Moments total{std::vector<double>(channels), std::vector<double>(channels)};
    double before = 0;  // rows joined so far
    for (size_t i = 0; i < chunks.size(); ++i) {
        const double n =
            static_cast<double>(std::min(chunk, rows - static_cast<int64_t>(i) * chunk));
        for (int64_t c = 0; c < channels; ++c) {
            const double offset = chunks[i].first[c] / n;
            const double away = chunks[i].centre[c] + offset - total.mean[c];
            total.mean[c] += away * n / (before + n);
            total.variance[c] += chunks[i].squares[c] - n * offset * offset +
                                 away * away * before * n / (before + n);
        }
        before += n;
    }
    for (double& variance : total.variance) variance = std::max(variance / before, 0.0);
    return total;
}

}  // namespace gradus
