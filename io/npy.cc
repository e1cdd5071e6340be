#include "io/npy.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "io/atomic_file.h"
#include "io/input_file.h"

namespace gradus {

static_assert(std::endian::native == std::endian::little, "npy payloads are little endian");

namespace {

constexpr char kMagic[] = "\x93NUMPY";
constexpr size_t kMaxHeader = 64 * 1024;

struct Description {
    const char* text;
    DType dtype;
};
constexpr Description kDescriptions[] = {{"<f4", DType::F32}, {"<f8", DType::F64},
                                         {"|i1", DType::I8},  {"|u1", DType::U8},
                                         {"<i4", DType::I32}, {"<i8", DType::I64}};

// The header is a Python dict literal with three known keys; this parser accepts nothing else.
class HeaderParser {
  public:
    HeaderParser(const InputFile& file, const std::string& text) : file_(file), text_(text) {}

    void parse() {
        expect('{');
        while (!accept('}')) {
            const std::string key = quoted();
            expect(':');
            value_of(key);
            if (!accept(',')) {
                expect('}');
                break;
            }
        }
        skip_spaces();
        file_.require(at_ == text_.size(), "text after the header's closing brace");
        file_.require(seen_descr_ && seen_order_ && seen_shape_,
                      "the header must have descr, fortran_order and shape");
    }

    DType dtype() const { return dtype_; }
    Shape shape() const { return Shape(extents_); }

  private:
    void value_of(const std::string& key) {
        bool& seen = key == "descr"           ? seen_descr_
                     : key == "fortran_order" ? seen_order_
                     : key == "shape"         ? seen_shape_
                                              : unknown(key);
        file_.require(!seen, "header key ", key, " stands twice");
        seen = true;
        if (key == "descr") read_descr();
        if (key == "fortran_order") read_order();
        if (key == "shape") read_shape();
    }

    bool& unknown(const std::string& key) const { file_.corrupt("unknown header key ", key); }

    void read_descr() {
        skip_spaces();
        file_.require(at_ < text_.size() && text_[at_] != '[',
                      "structured arrays cannot be read; save one plain array");
        const std::string text = quoted();
        for (const Description& description : kDescriptions) {
            if (text == description.text) {
                dtype_ = description.dtype;
                return;
            }
        }
        file_.require(text.find('O') == std::string::npos,
                      "holds Python objects; save it with allow_pickle=False");
        file_.require(text.empty() || text[0] != '>', "is big endian (", text,
                      "); save it with astype(dtype.newbyteorder('<'))");
        file_.corrupt("dtype ", text,
                      " cannot be read; use float32, float64, int8, uint8, int32 or int64");
    }

    void read_order() {
        if (accept_word("False")) return;
        file_.require(!accept_word("True"), "is in Fortran order; save numpy.ascontiguousarray(x)");
        file_.corrupt("fortran_order must be True or False");
    }

    void read_shape() {
        expect('(');
        while (!accept(')')) {
            extents_.push_back(number());
            if (!accept(',')) {
                expect(')');
                break;
            }
        }
        file_.require(extents_.size() <= 8, "more than 8 axes");
    }

    int64_t number() {
        skip_spaces();
        int64_t value = 0;
        const size_t begin = at_;
        for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
            file_.require(at_ - begin < 18, "an extent of the shape is too large");
            value = value * 10 + (text_[at_] - '0');
        }
        file_.require(at_ > begin, "the shape must be a tuple of numbers");
        return value;
    }

    std::string quoted() {
        skip_spaces();
        const char quote = at_ < text_.size() ? text_[at_] : '\0';
        file_.require(quote == '\'' || quote == '"', "malformed header: a string was expected");
        const size_t end = text_.find(quote, at_ + 1);
        file_.require(end != std::string::npos, "malformed header: a string does not end");
        const std::string result = text_.substr(at_ + 1, end - at_ - 1);
        at_ = end + 1;
        return result;
    }

    bool accept_word(const char* word) {
        skip_spaces();
        const size_t length = std::strlen(word);
        if (text_.compare(at_, length, word) != 0) return false;
        at_ += length;
        return true;
    }

    bool accept(char letter) {
        skip_spaces();
        if (at_ == text_.size() || text_[at_] != letter) return false;
        ++at_;
        return true;
    }

    void expect(char letter) {
        file_.require(accept(letter), "malformed header: '", letter, "' was expected");
    }

    void skip_spaces() {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
    }

    const InputFile& file_;
    const std::string& text_;
    size_t at_ = 0;
    bool seen_descr_ = false, seen_order_ = false, seen_shape_ = false;
    DType dtype_ = DType::F32;
    std::vector<int64_t> extents_;
};

std::string read_header(InputFile& file) {
    unsigned char start[8];
    file.read(start, sizeof start, "the magic number");
    file.require(std::memcmp(start, kMagic, 6) == 0, "is not an npy file (wrong magic number)");
    const bool known = start[7] == 0 && (start[6] == 1 || start[6] == 2);
    file.require(known, "npy version ", int{start[6]}, ".", int{start[7]},
                 " cannot be read; save it as version 1.0 or 2.0");
    unsigned char length_bytes[4] = {0, 0, 0, 0};
    file.read(length_bytes, start[6] == 1 ? 2 : 4, "the header's length");
    uint32_t length = 0;
    std::memcpy(&length, length_bytes, sizeof length);
    file.require(length <= kMaxHeader, "header of ", length, " bytes; at most ", kMaxHeader);
    std::string header(length, '\0');
    file.read(header.data(), length, "the header");
    return header;
}

std::string make_header(const Tensor& tensor) {
    const char* descr = nullptr;
    for (const Description& description : kDescriptions) {
        if (description.dtype == tensor.dtype()) descr = description.text;
    }
    std::string shape;
    for (int64_t extent : tensor.shape().extents()) shape += join(extent, ", ");
    if (tensor.shape().rank() > 1) shape.resize(shape.size() - 2);
    if (tensor.shape().rank() == 1) shape.resize(shape.size() - 1);
    std::string dict =
        join("{'descr': '", descr, "', 'fortran_order': False, 'shape': (", shape, "), }");
    const size_t total = (10 + dict.size() + 1 + 63) / 64 * 64;
    dict.resize(total - 10 - 1, ' ');
    dict += '\n';
    std::string header(kMagic, 6);
    header +=
        {'\x01', '\x00', static_cast<char>(dict.size() & 255), static_cast<char>(dict.size() >> 8)};
    return header + dict;
}

}  // namespace

Tensor load_npy(const std::string& path) {
    InputFile file("npy", path);
    const std::string header = read_header(file);
    HeaderParser parser(file, header);
    parser.parse();
    const Shape shape = parser.shape();
    int64_t bytes = static_cast<int64_t>(dtype_bytes(parser.dtype()));
    for (int64_t extent : shape.extents()) {
        file.require(!__builtin_mul_overflow(bytes, extent, &bytes), "shape ", shape,
                     " is too large");
    }
    file.require(static_cast<uint64_t>(bytes) == file.remaining(), "shape ", shape, " of ",
                 parser.dtype(), " needs ", bytes, " bytes after the header, the file has ",
                 file.remaining(), "; the file is truncated or corrupt");
    Tensor tensor = Tensor::empty(shape, parser.dtype());
    file.read(tensor.raw(), tensor.bytes(), "the payload");
    return tensor;
}

void save_npy(const std::string& path, const Tensor& tensor) {
    const Tensor host = tensor.to(Device::cpu());
    const std::string header = make_header(host);
    AtomicFile file(path);
    file.write(header.data(), header.size());
    file.write(host.raw(), host.bytes());
    file.commit();
}

}  // namespace gradus
