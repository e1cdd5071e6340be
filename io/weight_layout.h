// weight_layout -- filters are O I KH KW in files, as in PyTorch, and O KH KW I in memory. The only
// place that converts between them.
#pragma once

#include "tensor/tensor.h"

namespace gradus {

// F32, I8 or U8 of rank 4; any other tensor is returned unchanged (shared).
Tensor filters_to_file(const Tensor& ohwi);
Tensor filters_from_file(const Tensor& oihw);

}  // namespace gradus
