// read_file -- reads the whole of a data file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gradus {

// At most `limit` bytes. Errors name `format` and the path: one line of ErrorKind::data for a file
// that is missing, larger or not readable.
std::vector<uint8_t> read_file(const std::string& format, const std::string& path, uint64_t limit);

}  // namespace gradus
