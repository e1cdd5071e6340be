#include "run/bench/benchmark.h"

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "autograd/ops.h"
#include "models/models.h"
#include "nn/executor.h"
#include "nn/optimizer.h"
#include "quant/prepare.h"
#include "run/bench/fake_quantize_benchmark.h"
#include "run/bench/loader_benchmark.h"
#include "run/console_table.h"
#include "run/resources.h"
#include "run/threads.h"
#include "run/train/trainer.h"
#include "tensor/parallel.h"

namespace gradus {

namespace {

constexpr int64_t kClasses = 10;

Batch synthetic_batch(const BenchOptions& o) {
    const Rng rng(1);
    const Shape shape{o.batch_size, o.image_size, o.image_size, 3};
    Batch batch{Tensor::empty(shape), Tensor::empty({o.batch_size}, DType::I64), {}, 0};
    float* pixels = batch.images.data<float>();
    for (int64_t i = 0; i < batch.images.numel(); ++i) pixels[i] = 4.0f * rng.uniform(i) - 2.0f;
    for (int64_t i = 0; i < o.batch_size; ++i) batch.labels.data<int64_t>()[i] = i % kClasses;
    return batch;
}

// Few images, so that calibration does not set the peak memory.
Tensor calibration_images(const Batch& batch) {
    const Shape& all = batch.images.shape();
    const Shape few{std::min<int64_t>(all[0], 8), all[1], all[2], all[3]};
    const float* pixels = batch.images.data<float>();
    return Tensor::from(std::vector<float>(pixels, pixels + few.numel()), few);
}

double step_seconds(const Graph& graph, const Batch& batch, Optimizer& optimizer, uint64_t number) {
    const Stopwatch watch;
    const Execution execution = execute(graph, batch.images, RunMode{true, true, number, 1});
    const Variable loss = softmax_cross_entropy(execution.output, batch.labels, 0.0f);
    backward(loss);
    optimizer.step(execution, 1e-3f);
    return watch.seconds();
}

void print(const BenchOptions& o, const std::vector<double>& seconds) {
    const auto rate = [&](double s) { return o.batch_size / s; };
    const auto [least, most] = std::minmax_element(seconds.begin(), seconds.end());
    const nlohmann::ordered_json result{{"images_per_second", rate(median(seconds))},
                                        {"images_per_second_min", rate(*most)},
                                        {"images_per_second_max", rate(*least)},
                                        {"peak_rss_bytes", peak_rss_bytes()},
                                        {"peak_tensor_bytes", peak_allocated_bytes()},
                                        {"algo", o.algo},
                                        {"threads", thread_count()},
                                        {"steps", seconds.size()}};
    if (o.json) {
        std::cout << result.dump() << '\n';
        return;
    }
    std::cout << o.model << ' ' << o.algo << ": median " << rate(median(seconds))
              << " images/s, range " << rate(*most) << " to " << rate(*least) << ", peak memory "
              << bytes_text(peak_rss_bytes()) << '\n';
}

}  // namespace

int run_benchmark(const BenchOptions& o) {
    if (!o.answer.empty()) {
        std::cout << o.answer;
        return 0;
    }
    if (o.fake_quantize) return benchmark_fake_quantize(o);
    if (!o.loader.empty()) return benchmark_loader(o);
    use_threads(o.threads);
    const Batch batch = synthetic_batch(o);
    const Graph network =
        build_model(o.model, {{o.image_size, o.image_size, 3}, kClasses, o.stem, o.width_mult},
                    Rng(1).split("init"));
    std::optional<QuantizedModel> model;
    if (o.algo != "none") {
        Recipe recipe;
        recipe.algorithm = o.algo;
        recipe.hardware = o.hardware;
        recipe.weight_bits = recipe.activation_bits = o.bits;
        model = quantize(network, recipe);
        calibrate(*model, calibration_images(batch));
    }
    const Graph& graph = model ? model->training : network;
    OptimizerOptions settings;
    settings.weight_decay = 5e-4f;
    Optimizer optimizer(settings);
    std::vector<double> seconds;
    for (int i = 0; i < o.warmup + o.steps; ++i) {
        const double spent = step_seconds(graph, batch, optimizer, i);
        if (i >= o.warmup) seconds.push_back(spent);
    }
    print(o, seconds);
    return 0;
}

}  // namespace gradus
