// label_notes -- classes without images, in training or in the test.
#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"

namespace gradus {

// A note for each: classes without training images, and where the labels begin if the first ones
// have none; test images whose class has no training image; classes without test images. Looks at
// every label.
std::vector<std::string> label_notes(const Dataset& train, const Dataset& test);

}  // namespace gradus
