// safetensors -- named tensors in one file, in the format of huggingface/safetensors.
//
// Layout: u64 length of the header, the header in JSON, then the tensors' bytes, row-major and
// little endian. Written as the reference does: widest dtype first, then by name, the header padded
// with spaces to a multiple of 8; the same tensors and metadata give the same bytes.
//
// Any reader of the format reads these files. Two entries of __metadata__ are ours: "writer", and
// "gradus_sha256", a digest over tensors and metadata. A file with one of them must have both, and
// the right digest, so that every changed bit is detected. Other writers' files have neither.
#pragma once

#include <map>
#include <string>

#include "tensor/tensor.h"

namespace gradus {

struct SafetensorsFile {
    std::map<std::string, Tensor> tensors;
    std::map<std::string, std::string> metadata;  // without our two entries
    // Skipped tensors, as "F16[64,3,7,7]": of types that Tensor does not have, or of more than 8
    // dimensions.
    std::map<std::string, std::string> unreadable;
};

// Replaces the file atomically; failures are those of AtomicFile. A tensor named "__metadata__" and
// metadata entries of our two names are refused.
void save_safetensors(const std::string& path, const std::map<std::string, Tensor>& tensors,
                      const std::map<std::string, std::string>& metadata = {});

// As strict as the format's description: header at most 100 MB, no duplicate keys, dtypes of the
// format, offsets that tile the buffer to the end of the file. Like the reference reader it accepts
// a null __metadata__, and unknown fields of a tensor. Anything else is one line of ErrorKind::data
// that names file and reason, before memory is allocated.
SafetensorsFile load_safetensors(const std::string& path);

// SHA-256 over the tensors in the order of their names, bytewise; for each, with every integer
// as 8 bytes, little endian:
//     length of the name, name, length of the dtype's name, dtype's name ("F32"),
//     rank, extents, the elements' bytes (row-major, little endian)
std::string tensors_sha256(const std::map<std::string, Tensor>& tensors);

}  // namespace gradus
