// gap -- measures how far the textbook float simulation (qdq) is from the integers, layer by layer.
//
// Teacher-forced: every layer reads the integers' codes, so a difference belongs to the layer
// itself. Free-running: the simulation reads its own values, as in training by --simulate qdq; a
// difference grows through the following layers. An output is near a tie if the certificate of
// integer/error_bounds.h cannot prove its code; every other code of the teacher-forced run is
// equal, and an image without any such output is equal in the free run too.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "integer/compare.h"
#include "integer/error_bounds.h"
#include "integer/execute.h"

namespace gradus {

// One node that rounds to a grid, over all images.
struct LayerGap {
    std::string layer;  // the instruction's, "layer1.0.conv1"
    std::string op;
    int64_t codes = 0;
    int64_t near_tie = 0;
    int64_t proven_different = 0;  // different though proven equal: 0, or a bound is wrong
    CodeDifference forced{}, free{};
};

class Gap {
  public:
    Gap(const QuantizedModel& model, const Program& program);

    // Runs the Program by `kernel`, then the simulation twice. Returns the free run's logits.
    Tensor add(const Tensor& images, IntegerKernel kernel);

    const std::vector<LayerGap>& layers() const { return layers_; }  // in graph order
    LayerGap total() const;
    int64_t images() const { return images_; }
    int64_t images_proven() const { return images_proven_; }                  // every code proven
    int64_t predictions_different() const { return predictions_different_; }  // free-running
    float largest_logit_difference() const { return largest_logit_difference_; }

  private:
    // A node of the graph that rounds, with its instruction in the Program.
    struct Place {
        const Instruction* instruction;
        size_t layer;  // in layers_
        Tensor codes;  // the integers', of the current batch
    };
    Tensor run_integers(const Tensor& images, IntegerKernel kernel);
    void run_forced(const Tensor& images);
    Tensor run_free(const Tensor& images);
    void certify(const Node& node, const Place& place, const Variable& value, const Bounded& x,
                 std::vector<bool>& unproven);
    void compare_logits(const Tensor& simulated, const Tensor& integer);

    const QuantizedModel& model_;
    const Program& program_;
    ErrorBounds bounds_;
    std::vector<LayerGap> layers_;
    std::map<std::string, Place> places_;  // by node
    int64_t images_ = 0, images_proven_ = 0, predictions_different_ = 0;
    float largest_logit_difference_ = 0.0f;
};

}  // namespace gradus
