// weight_layout -- filters in files lie as PyTorch keeps them (O I KH KW), in memory O KH KW I.
// The only place where they are turned.
#pragma once

#include "tensor/tensor.h"

namespace gradus {

// F32, I8 or U8 of rank 4; any other tensor is returned as it is (shared).
Tensor filters_to_file(const Tensor& ohwi);
Tensor filters_from_file(const Tensor& oihw);

}  // namespace gradus
