// ./bench -- the speed and memory of a training step, and the cost of fake quantization.
#include "run/bench/benchmark.h"
#include "run/bench/options.h"
#include "run/guarded_main.h"

int main(int argc, char** argv) {
    return gradus::guarded_main(argc, argv, [](int count, char** arguments) {
        return gradus::run_benchmark(gradus::parse_bench(count, arguments));
    });
}
