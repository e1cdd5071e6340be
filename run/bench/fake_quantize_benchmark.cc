#include "run/bench/fake_quantize_benchmark.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>

#include "quant/fake_quantize.h"
#include "run/console_table.h"
#include "run/resources.h"
#include "run/threads.h"
#include "run/train/trainer.h"
#include "tensor/parallel.h"
#include "tensor/rng.h"
#include "tensor/tensor.h"

namespace gradus {

namespace {

// The competitors, timed in turn; the first is the baseline.
struct Peer {
    std::string name;
    std::function<void()> run;
    std::vector<double> seconds = {};
};

// The input, gradient and outputs of one tensor, and its grid.
struct Workload {
    explicit Workload(const BenchOptions& o)
        : layout{1, 1, o.mebibytes * (1 << 20) / int64_t{sizeof(float)}},
          range{-(1 << (o.bits - 1)), (1 << (o.bits - 1)) - 1, true},
          scale(4.0f / static_cast<float>(range.qmax - range.qmin)) {
        for (Tensor* t : {&x, &dy, &y}) *t = Tensor::empty({layout.inner});
        codes = Tensor::zeros({layout.inner}, DType::I8);
        const Rng rng(1);
        for (int64_t i = 0; i < layout.inner; ++i)
            x.data<float>()[i] = 4.4f * rng.uniform(i) - 2.2f;
        dy.copy_from(x);
        y.copy_from(x);
    }

    ChannelLayout layout;
    CodeRange range;
    float scale;
    int32_t zero_point = 1;
    Tensor x, dy, y, codes;
};

std::vector<Peer> peers_on(Workload& w) {
    const Device cpu = Device::cpu();
    const float *x = w.x.data<float>(), *dy = w.dy.data<float>();
    float* y = w.y.data<float>();
    return {{"memcpy", [=, &w] { std::memcpy(y, x, w.x.bytes()); }},
            {"fake_quantize",
             [=, &w] { fake_quantize(cpu, x, w.layout, &w.scale, &w.zero_point, w.range, y); }},
            {"straight_through_backward",
             [=, &w] {
                 straight_through_backward(cpu, x, dy, w.layout, &w.scale, &w.zero_point, w.range,
                                           y);
             }},
            {"quantize_codes", [=, &w] {
                 quantize_codes(cpu, x, w.layout, &w.scale, &w.zero_point, w.range, w.codes.raw());
             }}};
}

void print_table(const BenchOptions& o, const std::vector<Peer>& peers) {
    ConsoleTable table({join(o.mebibytes, " MiB, threads: ", thread_count()), "median ms",
                        "least ms", "most ms", "of memcpy"});
    for (const Peer& peer : peers) {
        const auto [least, most] = std::minmax_element(peer.seconds.begin(), peer.seconds.end());
        const double ratio = median(peer.seconds) / median(peers[0].seconds);
        table.row({peer.name, fixed_text(1e3 * median(peer.seconds), 2),
                   fixed_text(1e3 * *least, 2), fixed_text(1e3 * *most, 2), fixed_text(ratio, 2)});
    }
    table.print(std::cout, stream_is_utf8(1));
}

void print_json(const BenchOptions& o, const std::vector<Peer>& peers) {
    nlohmann::ordered_json result{
        {"mebibytes", o.mebibytes}, {"threads", thread_count()}, {"repeats", o.steps}};
    for (const Peer& peer : peers) {
        result[peer.name + "_ms"] = 1e3 * median(peer.seconds);
        if (&peer == &peers[0]) continue;
        result[peer.name + "_of_memcpy"] = median(peer.seconds) / median(peers[0].seconds);
    }
    std::cout << result.dump() << '\n';
}

}  // namespace

int benchmark_fake_quantize(const BenchOptions& o) {
    use_threads(o.threads);
    Workload workload(o);
    std::vector<Peer> peers = peers_on(workload);
    for (int i = 0; i < o.warmup + o.steps; ++i) {
        for (Peer& peer : peers) {
            const Stopwatch watch;
            peer.run();
            if (i >= o.warmup) peer.seconds.push_back(watch.seconds());
        }
    }
    o.json ? print_json(o, peers) : print_table(o, peers);
    return 0;
}

}  // namespace gradus
