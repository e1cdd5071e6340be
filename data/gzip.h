// gzip -- unpacks a gzip file held in memory (RFC 1952).
//
// Two files implement this: gzip_zlib.cc, and gzip_none.cc for builds without zlib (make ZLIB=0),
// whose gunzip only reports a remedy. The Makefile compiles one of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gradus {

inline bool is_gzip(const std::vector<uint8_t>& bytes) {
    return bytes.size() >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

// Unpacks all members in order, as in RFC 1952 (2.2); zeros after the last one are padding. At most
// `limit` bytes; memory grows with the output. `path` is for messages. Errors: one line of
// ErrorKind::data.
std::vector<uint8_t> gunzip(const std::string& path, const std::vector<uint8_t>& bytes,
                            uint64_t limit);

}  // namespace gradus
