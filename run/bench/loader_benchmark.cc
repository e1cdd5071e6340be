#include "run/bench/loader_benchmark.h"

#include <iostream>
#include <nlohmann/json.hpp>

#include "data/loader.h"
#include "data/open_dataset.h"
#include "run/console_table.h"
#include "run/resources.h"
#include "run/threads.h"
#include "tensor/parallel.h"

namespace gradus {

int benchmark_loader(const BenchOptions& o) {
    use_threads(o.threads);
    DatasetOptions options;
    options.name = "imagefolder";
    options.path = o.loader;
    options.image_size = o.image_size;
    const DataSplits data = open_dataset(options);
    LoaderOptions training;
    training.batch_size = std::min<int64_t>(o.batch_size, data.train->size());
    training.shuffle = true;
    training.augmentation = {.flip = true, .resized_crop = true};
    Loader loader(data.train, training, Rng(1));
    const Stopwatch watch;
    int64_t images = 0;
    loader.start(0);
    while (const auto batch = loader.next()) images += batch->labels.numel();
    const double rate = static_cast<double>(images) / watch.seconds();
    const nlohmann::ordered_json result{{"images_per_second", rate},
                                        {"images", images},
                                        {"threads", thread_count()},
                                        {"peak_rss_bytes", peak_rss_bytes()}};
    if (o.json) {
        std::cout << result.dump() << '\n';
    } else {
        std::cout << "loader: " << rate << " images/s with " << thread_count() << " threads, "
                  << images << " images, peak memory " << bytes_text(peak_rss_bytes()) << '\n';
    }
    return 0;
}

}  // namespace gradus
