// ./train -- float network, quantized training, lowering, evaluation in integers, report.
#include "run/guarded_main.h"
#include "run/train/experiment.h"
#include "run/train/options.h"

int main(int argc, char** argv) {
    return gradus::guarded_main(argc, argv, [](int count, char** arguments) {
        const gradus::Options options = gradus::parse_train(count, arguments);
        return gradus::run_experiment(options, count, arguments);
    });
}
