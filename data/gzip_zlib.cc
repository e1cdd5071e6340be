#include <zlib.h>

#include <algorithm>

#include "data/gzip.h"
#include "tensor/check.h"

namespace gradus {

namespace {

// A deflate stream grows by at most 1032 (zlib's technical notes): a larger claim is a lie.
constexpr uint64_t kMaxRatio = 1032;

class Inflater {
  public:
    Inflater() {
        constexpr int gzip_only = 16 + MAX_WBITS;
        check(inflateInit2(&stream_, gzip_only) == Z_OK, "gzip: out of memory");
    }
    ~Inflater() { inflateEnd(&stream_); }

    // True if `bytes` is exactly one member that unpacks to exactly `to`, whose size is the one
    // that the last bytes declare: zlib compares it, and the CRC, with what it has unpacked.
    bool run(const std::vector<uint8_t>& bytes, std::vector<uint8_t>& to) {
        size_t from_left = bytes.size();
        size_t to_left = to.size();
        stream_.next_in = const_cast<uint8_t*>(bytes.data());
        stream_.next_out = to.data();
        int status = Z_OK;
        while (status == Z_OK) {
            stream_.avail_in = piece(from_left);
            stream_.avail_out = piece(to_left);
            const uInt offered_in = stream_.avail_in;
            const uInt offered_out = stream_.avail_out;
            status = inflate(&stream_, Z_NO_FLUSH);
            from_left -= offered_in - stream_.avail_in;
            to_left -= offered_out - stream_.avail_out;
        }
        return status == Z_STREAM_END && from_left == 0;
    }

  private:
    static uInt piece(size_t left) { return static_cast<uInt>(std::min<size_t>(left, 1 << 30)); }

    z_stream stream_ = {};
};

}  // namespace

std::vector<uint8_t> gunzip(const std::string& path, const std::vector<uint8_t>& bytes,
                            uint64_t limit) {
    constexpr size_t smallest = 18;  // header and trailer
    const auto require = [&](bool ok, const char* reason) {
        check_kind(ok, ErrorKind::data, "gzip: ", path, ": ", reason, "; fetch the file again");
    };
    require(bytes.size() >= smallest && is_gzip(bytes), "is truncated or not a gzip file");
    uint64_t declared = 0;
    for (int i = 0; i < 4; ++i) declared |= uint64_t{bytes[bytes.size() - 4 + i]} << (8 * i);
    require(declared <= limit, "declares more unpacked bytes than a data file may have");
    require(declared <= kMaxRatio * bytes.size(), "declares more bytes than it can hold");
    std::vector<uint8_t> unpacked(declared);
    require(Inflater().run(bytes, unpacked), "is truncated or corrupt");
    return unpacked;
}

}  // namespace gradus
