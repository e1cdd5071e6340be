#include "data/gzip.h"
#include "tensor/check.h"

namespace gradus {

std::vector<uint8_t> gunzip(const std::string& path, const std::vector<uint8_t>&, uint64_t) {
    fail(ErrorKind::data, "gzip: ", path, ": this build has no zlib; unpack it with gunzip -k ",
         path, ", or build with zlib");
}

}  // namespace gradus
