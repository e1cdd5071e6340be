// read_file -- the bytes of a data file, for the readers that take it whole.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gradus {

// At most `limit` bytes; the error names `format` and the path. Errors: one line of
// ErrorKind::data for a file that is missing, larger or not readable.
std::vector<uint8_t> read_file(const std::string& format, const std::string& path, uint64_t limit);

}  // namespace gradus
