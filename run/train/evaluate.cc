#include "run/train/evaluate.h"

#include "autograd/ops.h"
#include "nn/executor.h"
#include "run/signals.h"
#include "run/train/result.h"
#include "tensor/check.h"

namespace gradus {

namespace {

void add_batch(Accuracy& accuracy, const Tensor& logits, const Tensor& labels) {
    const int64_t n = labels.numel();
    const Tensor loss = softmax_cross_entropy(Variable(logits), labels, 0.0f).data();
    accuracy.loss += (loss.data<float>()[0] - accuracy.loss) * static_cast<double>(n) /
                     static_cast<double>(accuracy.images + n);
    accuracy.images += n;
    accuracy.correct += count_correct(logits, labels);
}

void stop_if_interrupted() {
    check_kind(!interrupted(), ErrorKind::interrupted, "interrupted during evaluation");
}

}  // namespace

double Accuracy::top1() const {
    return percent(correct, images);
}

int64_t count_correct(const Tensor& logits, const Tensor& labels) {
    const int64_t classes = logits.shape()[1];
    int64_t correct = 0;
    for (int64_t row = 0; row < labels.numel(); ++row) {
        correct +=
            argmax(logits.data<float>() + row * classes, classes) == labels.data<int64_t>()[row];
    }
    return correct;
}

void report_damage(const Dataset& data, Progress& progress) {
    for (const std::string& what : data.new_damage()) {
        progress.warn("warning: " + what + "; it is left out");
    }
}

Accuracy evaluate(const Graph& graph, Loader& loader, Progress& progress, const char* what) {
    Accuracy accuracy;
    loader.start(0);
    while (const auto batch = loader.next()) {
        stop_if_interrupted();
        report_damage(loader.dataset(), progress);
        add_batch(accuracy, execute(graph, batch->images, RunMode{}).output.data(), batch->labels);
        progress.count(what, accuracy.images, loader.dataset().size());
    }
    report_damage(loader.dataset(), progress);
    return accuracy;
}

IntegerEvaluation evaluate_integers(const QuantizedModel& model, const Program& program,
                                    Loader& loader, int64_t readable_images, Progress& progress) {
    IntegerEvaluation result{{}, {}, Comparison(model, program)};
    Comparison readable(model, program);
    loader.start(0);
    while (const auto batch = loader.next()) {
        stop_if_interrupted();
        report_damage(loader.dataset(), progress);
        const BatchOutcome outcome = result.comparison.add(batch->images, IntegerKernel::fastest);
        add_batch(result.simulated, outcome.simulated_logits, batch->labels);
        add_batch(result.integer, outcome.integer_logits, batch->labels);
        result.integer_seconds += outcome.integer_seconds;
        if (result.readable_images < readable_images) {
            readable.add(batch->images, IntegerKernel::readable);
            result.readable_images += batch->labels.numel();
        }
        progress.count("integers", result.integer.images, loader.dataset().size());
    }
    report_damage(loader.dataset(), progress);
    result.readable_different = readable.codes_different() + readable.logits_different();
    return result;
}

}  // namespace gradus
