// label_notes -- notes on classes without training or test images.
#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"

namespace gradus {

// A note for each: classes without training images, with the first label if it is not 0; test
// images whose class has no training image; classes without test images. Reads every label.
std::vector<std::string> label_notes(const Dataset& train, const Dataset& test);

}  // namespace gradus
