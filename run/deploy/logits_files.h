// logits_files -- the logits of every image as .npy files, for scripts.
//
//   labels.npy                                  int32 [N], in the order of the test set
//   float.npy, simulation.npy, integers.npy     float32 [N, classes]
#pragma once

#include <map>
#include <string>
#include <vector>

#include "integer/compare.h"

namespace gradus {

class LogitsFiles {
  public:
    // Makes the folder; Error if it cannot.
    explicit LogitsFiles(std::string folder);

    void add(const Tensor& labels, const Tensor& float_logits, const BatchOutcome& outcome);
    void save() const;

  private:
    std::string folder_;
    std::map<std::string, std::vector<Tensor>> batches_;  // by the name of the file
};

}  // namespace gradus
