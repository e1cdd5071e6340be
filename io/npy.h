// npy -- one tensor in NumPy's file format (NEP 1).
//
// Read: versions 1.0 and 2.0, little endian, C order, '<f4' '<f8' '|i1' '|u1' '<i4' '<i8'. Written:
// version 1.0. Anything else, or a size other than header + payload, is refused with one line of
// ErrorKind::data before memory is allocated. Headers over 64 KiB are refused.
#pragma once

#include <string>

#include "tensor/tensor.h"

namespace gradus {

Tensor load_npy(const std::string& path);
// Replaces the file atomically; failures are those of AtomicFile.
void save_npy(const std::string& path, const Tensor& tensor);

}  // namespace gradus
