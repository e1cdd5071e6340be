#include <zlib.h>

#include <algorithm>

#include "data/gzip.h"
#include "tensor/check.h"

namespace gradus {

namespace {

// A deflate stream grows by at most 1032 (zlib's technical notes): a larger size is false.
constexpr uint64_t kMaxRatio = 1032;
constexpr uint64_t kSmallestGuess = 4096;

// Unpacks the members of a file one after the other.
class Inflater {
  public:
    explicit Inflater(const std::vector<uint8_t>& bytes) : from_left_(bytes.size()) {
        constexpr int gzip_only = 16 + MAX_WBITS;
        check(inflateInit2(&stream_, gzip_only) == Z_OK, "gzip: out of memory");
        stream_.next_in = const_cast<uint8_t*>(bytes.data());
    }
    ~Inflater() { inflateEnd(&stream_); }
    Inflater(const Inflater&) = delete;
    Inflater& operator=(const Inflater&) = delete;

    // Appends the current member to `to`, of which `used` bytes are filled; `to` grows up to limit
    // + 1 bytes. False if it is damaged: zlib compares length and CRC with the member's trailer.
    bool member(std::vector<uint8_t>& to, uint64_t& used, uint64_t limit) {
        check(inflateReset(&stream_) == Z_OK, "gzip: the stream cannot be started again");
        for (;;) {
            stream_.next_out = to.data() + used;
            stream_.avail_in = piece(from_left_);
            stream_.avail_out = piece(to.size() - used);
            const uInt offered_in = stream_.avail_in;
            const uInt offered_out = stream_.avail_out;
            const int status = inflate(&stream_, Z_NO_FLUSH);
            from_left_ -= offered_in - stream_.avail_in;
            used += offered_out - stream_.avail_out;
            if (status == Z_STREAM_END || used > limit) return true;
            const bool full = used == to.size();
            if (status != Z_OK && !(status == Z_BUF_ERROR && full)) return false;
            if (status == Z_BUF_ERROR) to.resize(std::min(2 * to.size() + 1, limit + 1));
        }
    }

    const uint8_t* rest() const { return stream_.next_in; }
    size_t rest_size() const { return from_left_; }

  private:
    static uInt piece(size_t left) { return static_cast<uInt>(std::min<size_t>(left, 1 << 30)); }

    z_stream stream_ = {};
    size_t from_left_;
};

bool begins_a_member(const uint8_t* bytes, size_t count) {
    return count >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

// Guesses the size from the trailer, within plausible bounds; exact for a file of one member.
uint64_t guessed_size(const std::vector<uint8_t>& bytes, uint64_t limit) {
    uint64_t declared = 0;
    for (int i = 0; i < 4; ++i) declared |= uint64_t{bytes[bytes.size() - 4 + i]} << (8 * i);
    const bool possible = declared <= limit && declared <= kMaxRatio * bytes.size();
    return possible ? std::max(declared, kSmallestGuess) : kSmallestGuess;
}

}  // namespace

std::vector<uint8_t> gunzip(const std::string& path, const std::vector<uint8_t>& bytes,
                            uint64_t limit) {
    constexpr size_t smallest = 18;  // header and trailer
    const auto require = [&](bool ok, const auto&... reason) {
        check_kind(ok, ErrorKind::data, "gzip: ", path, ": ", reason..., "; fetch the file again");
    };
    require(bytes.size() >= smallest && is_gzip(bytes), "is truncated or not a gzip file");
    std::vector<uint8_t> unpacked(guessed_size(bytes, limit));
    uint64_t used = 0;
    Inflater inflater(bytes);
    do {
        require(inflater.member(unpacked, used, limit), "is truncated or corrupt");
        require(used <= limit, "unpacks to more than ", limit, " bytes");
    } while (begins_a_member(inflater.rest(), inflater.rest_size()));
    const uint8_t* end = inflater.rest() + inflater.rest_size();
    require(std::all_of(inflater.rest(), end, [](uint8_t byte) { return byte == 0; }), "has ",
            inflater.rest_size(), " bytes after its end that are neither gzip nor padding");
    unpacked.resize(used);
    return unpacked;
}

}  // namespace gradus
