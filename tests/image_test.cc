// image -- JPEG and PNG as Pillow decodes them; damaged, oversized and unsupported files are named.
#include "data/image.h"

#include <boost/test/unit_test.hpp>

#include "data/jpeg.h"
#include "io/npy.h"
#include "run/version.h"
#include "tests/files.h"

using namespace gradus;

namespace {

const std::string kFolder = "tests/golden/images/";

std::vector<uint8_t> file_bytes(const std::string& name) {
    const std::string bytes = read_bytes(kFolder + name);
    return {bytes.begin(), bytes.end()};
}

// The largest difference from Pillow's pixels, and the mean one in thousandths.
std::pair<int, int> difference(const std::string& stem, const std::string& suffix) {
    const Image image = read_image(kFolder + stem + suffix);
    const Tensor expected = load_npy(kFolder + stem + ".npy");
    BOOST_REQUIRE(expected.shape() == (Shape{image.height, image.width, 3}));
    int largest = 0;
    int64_t sum = 0;
    for (int64_t i = 0; i < expected.numel(); ++i) {
        const int d = std::abs(image.pixels[i] - expected.data<uint8_t>()[i]);
        largest = std::max(largest, d);
        sum += d;
    }
    return {largest, static_cast<int>(1000 * sum / expected.numel())};
}

bool refused(const std::vector<uint8_t>& bytes, const std::string& reason) {
    return throws(ErrorKind::data, {"some/file", reason},
                  [&] { decode_image("some/file", bytes); });
}

void put_big_endian(std::vector<uint8_t>& bytes, size_t at, uint32_t value) {
    for (int i = 0; i < 4; ++i) bytes[at + i] = static_cast<uint8_t>(value >> (24 - 8 * i));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(images, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(png_pixels_are_exact) {
    for (const char* stem :
         {"rgb", "grey", "palette", "bits", "alpha", "rgb_16_interlaced", "alpha_16",
          "grey_alpha_interlaced", "grey_2_interlaced", "palette_transparent"}) {
        BOOST_TEST((difference(stem, ".png") == std::pair{0, 0}), stem);
    }
    BOOST_TEST(refused(file_bytes("grey_16.png"), "grey PNG of 16 bits"));
}

const std::vector<const char*> kJpegStems{
    "baseline_444",  "baseline_420", "progressive",  "restart",         "grey_jpeg",
    "cmyk",          "layout_422",   "layout_440",   "layout_411",      "layout_large_chroma",
    "layout_narrow", "arithmetic",   "rgb_by_adobe", "rgb_by_names",    "ycc_by_jfif",
    "ycc_by_adobe",  "ycc_unmarked", "ycck",         "ycck_by_adobe_1", "cmyk_unmarked",
    "exif_6",        "extra_bytes"};

bool decodes(const char* stem) {
    const auto header = read_jpeg_header(file_bytes(stem + std::string(".jpg")));
    return undecodable_jpeg(header.value()).empty();
}

// libjpeg-turbo gives Pillow's pixels; stb_image nearly so, or refuses the file by name.
BOOST_AUTO_TEST_CASE(jpeg_pixels_are_those_of_pillow) {
    const bool turbo = version_build().find("+libjpeg-turbo") != std::string::npos;
    std::vector<std::string> undecodable;
    for (const char* stem : kJpegStems) {
        if (!decodes(stem)) {
            undecodable.push_back(stem);
            BOOST_TEST(refused(file_bytes(stem + std::string(".jpg")), "build with libjpeg-turbo"));
            continue;
        }
        const auto [largest, mean] = difference(stem, ".jpg");
        BOOST_TEST(largest <= (turbo ? 0 : 4), stem << " differs by " << largest);
        BOOST_TEST(mean <= 500, stem << " differs by " << mean << " thousandths");
    }
    const std::vector<std::string> by_stb{"layout_422",   "layout_narrow", "arithmetic",
                                          "ycc_by_jfif",  "ycc_by_adobe",  "ycck_by_adobe_1",
                                          "cmyk_unmarked"};
    BOOST_TEST(undecodable == (turbo ? std::vector<std::string>{} : by_stb));
}

BOOST_AUTO_TEST_CASE(jpeg_that_no_decoder_takes_is_named) {
    const std::vector<uint8_t> sound = file_bytes("baseline_444.jpg");
    const uint8_t marker[] = {0xff, 0xc0};
    const auto frame =
        std::search(sound.begin(), sound.end(), std::begin(marker), std::end(marker)) -
        sound.begin();
    const auto changed = [&](int64_t at, uint8_t value) {
        std::vector<uint8_t> bytes = sound;
        bytes.at(frame + at) = value;
        return bytes;
    };
    BOOST_TEST(refused(changed(1, 0xc3), "is lossless JPEG"));
    BOOST_TEST(refused(changed(1, 0xc5), "is hierarchical JPEG"));
    BOOST_TEST(refused(changed(4, 12), "has 12 bits a sample"));
    BOOST_TEST(refused(changed(11, 0x51), "has sampling factors of 5 x 1"));
    BOOST_TEST(refused(changed(14, 0), "has sampling factors of 0 x 0"));
    std::vector<uint8_t> thirds = changed(11, 0x31);
    thirds.at(frame + 14) = 0x21;
    BOOST_TEST(refused(thirds, "not whole parts of the largest one's"));
    BOOST_TEST(refused(changed(9, 2), "truncated or corrupt"));  // its length is for three channels
    std::vector<uint8_t> two = changed(9, 2);
    two.at(frame + 3) = 14;
    two.erase(two.begin() + frame + 16, two.begin() + frame + 19);
    BOOST_TEST(refused(two, "has 2 channels"));
}

BOOST_AUTO_TEST_CASE(every_truncated_file_is_refused) {
    for (const char* name : {"restart.jpg", "progressive.jpg", "baseline_420.jpg", "bits.png"}) {
        const std::vector<uint8_t> bytes = file_bytes(name);
        for (size_t length = 0; length < bytes.size(); ++length) {
            BOOST_TEST(
                refused({bytes.begin(), bytes.begin() + static_cast<int64_t>(length)}, "image: "));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_flipped_bit_of_a_png_is_seen) {
    const std::vector<uint8_t> bytes = file_bytes("bits.png");
    for (size_t at = 33; at < bytes.size(); at += 11) {
        std::vector<uint8_t> damaged = bytes;
        damaged[at] ^= 4;
        BOOST_TEST(refused(damaged, "image: "));
    }
}

// A table that no scan uses, in a segment of the right length: the decoder would write beyond its
// arrays and continue.
BOOST_AUTO_TEST_CASE(a_huffman_table_of_more_than_256_codes_is_refused) {
    for (const int codes : {256, 400}) {
        std::vector<uint8_t> table(2 + 2 + 17 + codes);
        table[0] = 0xff;
        table[1] = 0xc4;
        table[2] = static_cast<uint8_t>((table.size() - 2) >> 8);
        table[3] = static_cast<uint8_t>(table.size() - 2);
        table[4] = 3;
        table[4 + 15] = table[4 + 16] = static_cast<uint8_t>(codes / 2);
        std::vector<uint8_t> bytes = file_bytes("baseline_444.jpg");
        bytes.insert(bytes.begin() + 20, table.begin(), table.end());  // after the JFIF segment
        if (codes == 400) BOOST_TEST(refused(bytes, "truncated or corrupt"));
        if (codes == 256) BOOST_TEST(decode_image("sound", bytes).height == 37);
    }
}

BOOST_AUTO_TEST_CASE(foreign_and_oversized_files_are_refused) {
    BOOST_TEST(refused({}, "neither JPEG nor PNG"));
    BOOST_TEST(refused({'G', 'I', 'F', '8', '9', 'a'}, "neither JPEG nor PNG"));
    BOOST_TEST(refused({0xff, 0xd8, 0xff, 0xe0}, "header is damaged"));
    std::vector<uint8_t> png = file_bytes("rgb.png");
    put_big_endian(png, 16, 9000);
    put_big_endian(png, 20, 9000);
    BOOST_TEST(refused(png, "out of range"));
    put_big_endian(png, 16, 8000);
    put_big_endian(png, 20, 8000);
    BOOST_TEST(refused(png, "more than its 2666 bytes can hold"));
    std::vector<uint8_t> jpeg = file_bytes("baseline_444.jpg");
    const uint8_t frame[] = {0xff, 0xc0};
    const auto sof = std::search(jpeg.begin(), jpeg.end(), std::begin(frame), std::end(frame));
    BOOST_REQUIRE((sof != jpeg.end()));
    *(sof + 5) = *(sof + 7) = 0x1f;  // height and width, about 8000
    BOOST_TEST(refused(jpeg, "more than its 1308 bytes can hold"));
    BOOST_CHECK(
        throws(ErrorKind::data, {"nowhere.jpg", "missing"}, [] { read_image("nowhere.jpg"); }));
}

BOOST_AUTO_TEST_SUITE_END()
