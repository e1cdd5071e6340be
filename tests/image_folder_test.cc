// image_folder -- folders and lists read alike, the same bits on any number of threads, damage is
// named, and ./train runs on it.
#include "data/image_folder.h"

#include <boost/test/unit_test.hpp>
#include <cstring>

#include "data/crop.h"
#include "data/image.h"
#include "data/loader.h"
#include "data/open_dataset.h"
#include "io/sha256.h"
#include "tensor/parallel.h"
#include "tests/files.h"
#include "tests/train_process.h"

using namespace gradus;

namespace {

namespace fs = std::filesystem;

const std::string kImages = "tests/golden/images/";

// 3 classes with 6 training and 2 test images each.
void write_folders(const TemporaryFolder& folder) {
    const std::vector<std::string> files{"rgb.png",          "grey.png", "palette.png",
                                         "baseline_420.jpg", "cmyk.jpg", "alpha.png"};
    int shift = 0;
    for (const char* name : {"owl", "ant", "bee"}) {
        for (const std::string split : {"train/", "val/"}) {
            fs::create_directories(folder.path(split + name));
            const int count = split == "train/" ? 6 : 2;
            for (int i = 0; i < count; ++i) {
                const std::string& file = files[(i + shift) % 6];
                const std::string suffix = fs::path(file).extension() == ".jpg" ? ".JPEG" : ".png";
                fs::copy_file(kImages + file,
                              folder.path(split + name) + "/" + std::to_string(i) + suffix);
            }
        }
        ++shift;
    }
    folder.file("train/ant/readme.txt", "no image");
}

DatasetOptions options(const TemporaryFolder& folder, bool skip = false) {
    DatasetOptions result;
    result.name = "imagefolder";
    result.path = folder.path("");
    result.image_size = 16;
    result.skip_damaged = skip;
    return result;
}

std::string hash_of(const DatasetPtr& data) {
    Sha256 hash;
    hash_dataset(*data, hash);
    return hash.hex();
}

// The bytes of an epoch's training batches.
std::string epoch_bits(const TemporaryFolder& folder, int threads, uint64_t seed = 1) {
    const int before = thread_count();
    set_thread_count(threads);
    LoaderOptions training;
    training.batch_size = 9;
    training.shuffle = true;
    training.augmentation = {
        .flip = true, .jitter = {0.4f, 0.4f, 0.4f, 0.1f}, .resized_crop = true};
    DatasetOptions large = options(folder);
    large.image_size = 256;  // slow enough for several threads to take part
    Loader loader(open_dataset(large).train, training, Rng(seed));
    loader.start(0);
    Sha256 hash;
    while (const auto batch = loader.next()) {
        hash.update(batch->images.raw(), batch->images.bytes());
        hash.update(batch->labels.raw(), batch->labels.bytes());
    }
    set_thread_count(before);
    return hash.hex();
}

void refuses_list(const std::string& text, const std::string& reason) {
    const std::vector<uint8_t> bytes(text.begin(), text.end());
    BOOST_CHECK(throws(ErrorKind::data, {"some/list", reason},
                       [&] { parse_image_list("some/list", bytes); }));
}

void truncate_file(const std::string& path) {
    fs::resize_file(path, fs::file_size(path) / 2);
}

Arguments short_run(const TemporaryFolder& data, const Arguments& more) {
    Arguments all{"--dataset", "imagefolder", "--data-path",    data.path(""), "--image-size", "16",
                  "--stem",    "half",        "--batch-size",   "6",           "--max-steps",  "2",
                  "--epochs",  "1",           "--float-epochs", "1",           "--threads",    "2",
                  "--lr",      "0.001",       "--float-lr",     "0.01"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(image_folder, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(classes_are_the_sorted_folders) {
    const TemporaryFolder folder;
    write_folders(folder);
    const DataSplits data = open_dataset(options(folder));
    BOOST_TEST(data.train->facts().classes == (std::vector<std::string>{"ant", "bee", "owl"}));
    BOOST_TEST(data.train->size() == 18);
    BOOST_TEST(data.test->size() == 6);
    BOOST_TEST(data.train->label(6) == 1);
    BOOST_TEST(data.test->label(5) == 2);
    BOOST_TEST(data.train->image_shape() == (Shape{16, 16, 3}));
    BOOST_TEST(data.announcement.find("not of pixels") != std::string::npos);
}

// The first of the owls is rgb.png, 51 x 37: 18 rows and 24 columns, the middle 16 of each.
BOOST_AUTO_TEST_CASE(a_test_image_is_resized_and_its_centre_cut_out) {
    const TemporaryFolder folder;
    write_folders(folder);
    const DatasetPtr data = open_dataset(options(folder)).test;
    const Image image = read_image(kImages + "rgb.png");
    std::vector<uint8_t> resized(18 * 24 * 3), pixels(16 * 16 * 3);
    resize({image.pixels.get(), 37, 51, 3, 51 * 3}, Interpolation::bilinear, 18, 24,
           resized.data());
    data->image(4, pixels.data());
    int different = 0;
    for (int y = 0; y < 16; ++y) {
        different += std::memcmp(&pixels[y * 48], &resized[((y + 1) * 24 + 4) * 3], 48) != 0;
    }
    BOOST_TEST(different == 0);
}

BOOST_AUTO_TEST_CASE(a_training_image_is_a_crop_keyed_by_the_generator) {
    const TemporaryFolder folder;
    write_folders(folder);
    const DatasetPtr data = open_dataset(options(folder)).train;
    const Image image = read_image(kImages + "rgb.png");
    std::vector<uint8_t> expected(16 * 16 * 3), pixels(16 * 16 * 3);
    for (uint64_t seed = 0; seed < 5; ++seed) {
        const Rectangle r = random_resized_crop(37, 51, Rng(seed).split("crop"));
        resize(
            ImageView{image.pixels.get(), 37, 51, 3, 51 * 3}.crop(r.top, r.left, r.height, r.width),
            Interpolation::bilinear, 16, 16, expected.data());
        data->augmented(12, {.resized_crop = true}, Rng(seed), pixels.data());
        BOOST_TEST(pixels == expected);
    }
}

BOOST_AUTO_TEST_CASE(lists_give_the_same_images) {
    const TemporaryFolder folder, listed;
    write_folders(folder);
    fs::create_directories(listed.path("meta"));
    std::string train, val;
    const std::vector<std::string> classes{"ant", "bee", "owl"};
    for (size_t c = 0; c < 3; ++c) {
        for (const std::string split : {"train/", "val/"}) {
            std::vector<std::string> names;
            for (const auto& entry : fs::directory_iterator(folder.path(split + classes[c]))) {
                if (entry.path().extension() != ".txt") names.push_back(entry.path().filename());
            }
            std::sort(names.begin(), names.end());
            for (const std::string& name : names) {
                (split == "train/" ? train : val) +=
                    classes[c] + "/" + name + " " + std::to_string(c) + "\r\n";
            }
        }
    }
    fs::create_directory_symlink(folder.path("train"), listed.path("train"));
    fs::create_directory_symlink(folder.path("val"), listed.path("val"));
    listed.file("train.txt", train);
    listed.file("meta/val.txt", "\n" + val);
    const DataSplits a = open_dataset(options(folder)), b = open_dataset(options(listed));
    BOOST_TEST(hash_of(a.train) == hash_of(b.train));
    BOOST_TEST(hash_of(a.test) == hash_of(b.test));
    BOOST_TEST(b.train->facts().classes == (std::vector<std::string>{"0", "1", "2"}));
    listed.file("meta/val.txt", "\xef\xbb\xbf" + val);  // a byte order mark
    BOOST_TEST(hash_of(open_dataset(options(listed)).test) == hash_of(a.test));
    listed.file("meta/val.txt", val + "ant/none.png 0\n");
    BOOST_CHECK(throws(ErrorKind::data, {"val/ant/none.png: is missing", "--on-bad-image skip"},
                       [&] { open_dataset(options(listed)); }));
    BOOST_TEST(open_dataset(options(listed, true)).test->size() == a.test->size() + 1);
    listed.file("meta/val.txt", val);
    listed.file("train.txt", "");
    BOOST_CHECK(throws(ErrorKind::data, {"train.txt", "no images"},
                       [&] { open_dataset(options(listed)); }));
    listed.file("train.txt", train);
    listed.file("meta/val.txt", "ant/0.png 3\n");
    BOOST_CHECK(throws(ErrorKind::data, {"val.txt", "label 3", "3 classes"},
                       [&] { open_dataset(options(listed)); }));
}

BOOST_AUTO_TEST_CASE(damaged_lists_are_refused) {
    refuses_list("a.png 1\nb.png\n", "line 2: expected a path");
    refuses_list("a.png x1\n", "line 1: expected a path");
    refuses_list("a.png 65536\n", "line 1: expected a path");
    refuses_list("a.png -1\n", "line 1: expected a path");
    refuses_list("7\n", "line 1: expected a path");
    refuses_list("\n\n/etc/a.png 1\n", "line 3: the path must be relative");
    refuses_list("a/../../b.png 1\n", "must not go up");
    refuses_list(" 1\n", "must be relative");
    const std::string text = "a b.png 65535\nc 0";
    const ImageList list =
        parse_image_list("list", {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
    BOOST_TEST(list.size() == 2);
    BOOST_TEST(list.path(0) == "a b.png");
    BOOST_TEST(list.label(0) == 65535);
    BOOST_TEST(list.path(1) == "c");
}

BOOST_AUTO_TEST_CASE(folders_are_checked) {
    const TemporaryFolder folder;
    const auto refused = [&](const std::vector<std::string>& parts) {
        BOOST_CHECK(throws(ErrorKind::data, parts, [&] { open_dataset(options(folder)); }));
    };
    refused({folder.path(""), "train", "cannot be read", "--data-path"});
    write_folders(folder);
    fs::create_directories(folder.path("val/cow"));
    refused({"val/cow", "no class of the training images"});
    fs::create_directories(folder.path("train/cow"));
    refused({"train/cow", "no images", "remove this class"});
    fs::remove_all(folder.path("val"));
    fs::create_directories(folder.path("val/ant"));
    refused({"train/cow", "has no images"});
    fs::remove_all(folder.path("train/cow"));
    refused({"val/ant", "has no images"});
    fs::remove_all(folder.path("train"));
    fs::create_directories(folder.path("train"));
    refused({"train", "no folders of classes"});
}

// The notes of the data line, without the hash.
std::string notes_of(const TemporaryFolder& folder) {
    std::string line = open_dataset(options(folder)).announcement;
    const std::string hash = "; data_sha256 is of names, sizes and labels, not of pixels";
    BOOST_REQUIRE(line.find(hash) != line.npos);
    line.erase(line.find(hash), hash.size());
    return line.substr(std::min(line.find("; "), line.size() - 2) + 2);
}

BOOST_AUTO_TEST_CASE(what_is_left_out_of_class_folders_is_counted) {
    const TemporaryFolder folder;
    write_folders(folder);
    fs::remove(folder.path("train/ant/readme.txt"));
    BOOST_TEST(notes_of(folder) == "");
    BOOST_TEST(open_dataset(options(folder)).announcement.find("in 3 classes, in ") !=
               std::string::npos);
    for (const char* name :
         {"ant/a.webp", "bee/b.WebP", "bee/c.jfif", "owl/d.BMP", "owl/Thumbs.db", "owl/none",
          "owl/.DS_Store", "ant/._0.png", "ant/.e.jpg", "list.txt"}) {
        folder.file(std::string("train/") + name, "x");
    }
    fs::create_directories(folder.path("train/.ipynb_checkpoints"));
    fs::create_directories(folder.path("train/owl/more/deep"));
    fs::create_directories(folder.path("train/owl/x.png"));
    fs::copy_file(kImages + "rgb.png", folder.path("train/owl/more/0.png"));
    fs::copy_file(kImages + "rgb.png", folder.path("train/owl/more/deep/1.PNG"));
    folder.file("train/owl/more/2.txt", "x");
    folder.file("val/ant/f.gif", "x");
    BOOST_TEST(
        notes_of(folder) ==
        "left out of train/: 1 without suffix, 1 .bmp, 1 .db, 1 .jfif, 2 .webp, 2 folders with "
        "2 images, 4 hidden names, 1 file in no class; left out of val/: 1 .gif");
    BOOST_TEST(open_dataset(options(folder)).train->size() == 18);
    fs::create_symlink(fs::absolute(kImages + "rgb.png"), folder.path("train/ant/link.PNG"));
    BOOST_TEST(open_dataset(options(folder)).train->size() == 19);
    fs::create_symlink("nowhere", folder.path("train/ant/dangling.png"));
    BOOST_CHECK(throws(ErrorKind::data, {"ant/dangling.png: is missing", "the link"},
                       [&] { open_dataset(options(folder)); }));
    fs::remove(folder.path("train/ant/dangling.png"));
    for (const char* name : {"0.png", "1.JPEG", "2.JPEG", "3.png", "4.png", "5.png"}) {
        fs::remove(folder.path(std::string("train/bee/") + name));
    }
    BOOST_CHECK(throws(ErrorKind::data, {"train/bee: has no images", "only 1 .jfif, 1 .webp"},
                       [&] { open_dataset(options(folder)); }));
}

BOOST_AUTO_TEST_CASE(labels_without_images_are_named) {
    const TemporaryFolder folder;
    write_folders(folder);
    folder.file("train.txt", "ant/0.png 1\nbee/0.png 2\nowl/0.png 4\n");
    folder.file("val.txt", "ant/0.png 1\nbee/0.png 3\nbee/0.png 3\n");
    const std::string lists = "train/ by " + folder.path("/train.txt") + "; val/ by ";
    BOOST_TEST(
        notes_of(folder) ==
        lists + folder.path("/val.txt") +
            "; 2 classes have no training images (0, 3): labels begin at 1; 2 test images are "
            "of classes without training images (3); 2 classes have no test images (2, 4)");
    fs::remove(folder.path("train.txt"));
    fs::create_directories(folder.path("meta"));
    folder.file("meta/val.txt", "ant/0.png 0\n");
    folder.file("val.txt", "ant/0.png 0\nbee/0.png 1\nowl/0.png 2\n");
    fs::remove(folder.path("train/ant/readme.txt"));
    BOOST_TEST(notes_of(folder) == "val/ by " + folder.path("/val.txt") + ", not by " +
                                       folder.path("/meta/val.txt") +
                                       ", whose labels count the sorted folders of train/");
    fs::remove(folder.path("meta/val.txt"));
    fs::remove(folder.path("val.txt"));
    fs::remove_all(folder.path("val/owl"));
    BOOST_TEST(notes_of(folder) == "1 class has no test images (owl)");
}

BOOST_AUTO_TEST_CASE(the_threads_do_not_matter) {
    const TemporaryFolder folder;
    write_folders(folder);
    BOOST_TEST(epoch_bits(folder, 1) == epoch_bits(folder, 4));
    BOOST_TEST(epoch_bits(folder, 1) != epoch_bits(folder, 1, 2));
}

BOOST_AUTO_TEST_CASE(the_hash_sees_names_sizes_and_labels) {
    const TemporaryFolder folder;
    write_folders(folder);
    const std::string before = hash_of(open_dataset(options(folder)).train);
    BOOST_TEST(hash_of(open_dataset(options(folder)).train) == before);
    fs::rename(folder.path("train/ant/0.png"), folder.path("train/ant/00.png"));
    const std::string renamed = hash_of(open_dataset(options(folder)).train);
    BOOST_TEST(renamed != before);
    std::ofstream(folder.path("train/ant/00.png"), std::ios::app) << 'x';
    BOOST_TEST(hash_of(open_dataset(options(folder)).train) != renamed);
}

BOOST_AUTO_TEST_CASE(a_damaged_image_stops_or_is_left_out_and_counted) {
    const TemporaryFolder folder;
    write_folders(folder);
    truncate_file(folder.path("train/bee/1.JPEG"));
    fs::remove(folder.path("train/owl/5.png"));
    folder.file("train/owl/5.png", "GIF89a");
    LoaderOptions in_order;
    in_order.batch_size = 9;
    Loader strict(open_dataset(options(folder)).train, in_order);
    strict.start(0);
    BOOST_CHECK(throws(ErrorKind::data, {"train/bee/1.JPEG", "truncated", "--on-bad-image skip"},
                       [&] { strict.next(); }));
    const DatasetPtr lenient = open_dataset(options(folder, true)).train;
    Loader loader(lenient, in_order);
    for (int round = 0; round < 2; ++round) {
        loader.start(0);
        const auto first = loader.next(), second = loader.next();
        BOOST_TEST(first->indices == (std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 8}));
        BOOST_TEST(first->images.shape() == (Shape{8, 16, 16, 3}));
        BOOST_TEST(first->labels.to_vector<int64_t>()[7] == 1);
        std::vector<uint8_t> pixels(16 * 16 * 3);
        lenient->image(8, pixels.data());
        const float red = (static_cast<float>(pixels[0]) / 255.0f - 0.485f) / 0.229f;
        BOOST_TEST(first->images.to_vector<float>()[7 * 16 * 16 * 3] == red);
        BOOST_TEST(second->labels.numel() == 8);
    }
    const std::vector<std::string> told = lenient->new_damage();
    BOOST_REQUIRE(told.size() == 2u);
    BOOST_TEST(told[0].find("train/bee/1.JPEG") != std::string::npos);
    BOOST_TEST(told[1].find("train/owl/5.png: is neither JPEG nor PNG") != std::string::npos);
    BOOST_TEST(lenient->new_damage().empty());
    BOOST_TEST(lenient->damaged_count() == 2);
}

// Batches of two: the first has no intact image, the third one, the last is half a batch with none.
BOOST_AUTO_TEST_CASE(a_batch_of_nothing_but_damage_is_passed_over) {
    const TemporaryFolder folder;
    write_folders(folder);
    fs::remove(folder.path("train/owl/5.png"));  // 17 remain
    for (const char* name :
         {"train/ant/0.png", "train/ant/1.png", "train/ant/4.png", "train/owl/4.JPEG"}) {
        fs::remove(folder.path(name));
        folder.file(name, "broken");
    }
    const DatasetPtr data = open_dataset(options(folder, true)).train;
    const auto numbers = [&](int64_t least) {
        Loader loader(data, {.batch_size = 2, .least = least});
        std::vector<int64_t> passed;
        loader.start(0);
        while (const auto batch = loader.next()) passed.push_back(batch->number);
        return passed;
    };
    BOOST_TEST(numbers(1) == (std::vector<int64_t>{1, 2, 3, 4, 5, 6, 7}));
    BOOST_TEST(numbers(2) == (std::vector<int64_t>{1, 3, 4, 5, 6, 7}));
    BOOST_TEST(data->damaged_count() == 4);
    Loader single(data, {.batch_size = 1, .least = 2});
    single.start(0, 16);
    BOOST_TEST(!single.next());
}

BOOST_AUTO_TEST_CASE(a_data_set_of_nothing_but_damage_is_refused) {
    const TemporaryFolder folder;
    write_folders(folder);
    for (const auto& entry : fs::recursive_directory_iterator(folder.path("val"))) {
        if (entry.is_regular_file()) fs::resize_file(entry.path(), 1);
    }
    Loader loader(open_dataset(options(folder, true)).test, {.batch_size = 4});
    loader.start(0);
    BOOST_CHECK(
        throws(ErrorKind::data, {"none of the 6 images", "val/ant/0.png"}, [&] { loader.next(); }));
}

// A broken image alone in its batch; two images of which one is left, and layers that see one
// pixel. The broken ones are odd in number, so that of some batch one image is left.
BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(image_folder_runs, *boost::unit_test::label("process"))

BOOST_AUTO_TEST_CASE(train_passes_over_batches_of_damage) {
    const TemporaryFolder folder, runs;
    write_folders(folder);
    for (const char* name : {"ant/0", "ant/1", "bee/0", "bee/3", "owl/0"}) {
        fs::resize_file(folder.path(join("train/", name, ".png")), 9);
    }
    // Batch norm over a single image has huge gradients, so the rates are tiny.
    for (const auto& [size, model] : {std::pair{"1", "resnet20"}, {"2", "resnet18"}}) {
        const ProcessOutcome end = run_train(short_run(
            folder, {"--image-size", "8", "--stem", "imagenet", "--batch-size", size, "--max-steps",
                     "18", "--float-lr", "1e-20", "--lr", "1e-20", "--model", model,
                     "--on-bad-image", "skip", "--quiet", "--output", runs.path(size)}));
        BOOST_TEST(end.code == 0, end.err);
        BOOST_TEST(end.err.find("5 of the 18 train images") != std::string::npos, end.err);
    }
}

BOOST_AUTO_TEST_CASE(train_runs_to_its_end_and_with_damage_as_told) {
    const TemporaryFolder folder, runs;
    write_folders(folder);
    const ProcessOutcome end = run_train(short_run(folder, {"--output", runs.path("a")}));
    BOOST_REQUIRE_MESSAGE(end.code == 0, end.err);
    BOOST_TEST(end.out.find("0 of 6") != std::string::npos, end.out);
    truncate_file(folder.path("val/bee/1.JPEG"));
    const ProcessOutcome stopped = run_train(short_run(folder, {"--output", runs.path("b")}));
    BOOST_TEST(stopped.code == 3);
    BOOST_TEST(stopped.err.find("val/bee/1.JPEG") != std::string::npos, stopped.err);
    const ProcessOutcome skipped = run_train(
        short_run(folder, {"--output", runs.path("c"), "--on-bad-image", "skip", "--quiet"}));
    BOOST_TEST(skipped.code == 0);
    BOOST_TEST(skipped.out.find("0 of 5") != std::string::npos, skipped.out);
    BOOST_TEST(skipped.err.find("1 of the 6 test images") != std::string::npos, skipped.err);
    const size_t first = skipped.err.find("val/bee/1.JPEG");
    BOOST_TEST(first != std::string::npos);
    BOOST_TEST(skipped.err.find("val/bee/1.JPEG", first + 1) == std::string::npos, skipped.err);
}

// Calibration decodes 384 photographs: the stop falls within it, and resuming repeats it.
BOOST_AUTO_TEST_CASE(train_can_be_stopped_while_photographs_are_decoded) {
    const TemporaryFolder folder, runs;
    write_folders(folder);
    for (int i = 0; i < 400; ++i) {
        const std::string name = "train/ant/more" + std::to_string(i) + ".jpg";
        fs::create_hard_link(folder.path("train/owl/3.JPEG"), folder.path(name));
    }
    const auto arguments = [&](const char* name) {
        return short_run(folder, {"--image-size", "48", "--calibration-images", "384", "--output",
                                  runs.path(name)});
    };
    BOOST_REQUIRE(run_train(arguments("whole")).code == 0);
    TrainProcess process(arguments("stopped"));
    BOOST_REQUIRE(process.wait_for("float network: test loss"));
    process.send(SIGINT);
    const ProcessOutcome stopped = process.wait();
    BOOST_TEST(stopped.code == 130, stopped.err);
    BOOST_TEST(stopped.err.find("calibrated") == std::string::npos, stopped.err);
    const ProcessOutcome end = run_train({"--resume", runs.path("stopped")});
    BOOST_REQUIRE_MESSAGE(end.code == 0, end.err);
    BOOST_TEST(read_bytes(runs.path("stopped/program.safetensors")) ==
               read_bytes(runs.path("whole/program.safetensors")));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(image_folder_options, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(normalisations_and_interpolations_are_options) {
    const TemporaryFolder folder;
    write_folders(folder);
    DatasetOptions o = options(folder);
    BOOST_TEST(open_dataset(o).train->facts().mean[1] == 0.456f);
    o.normalize = "tf";
    BOOST_TEST(open_dataset(o).train->facts().mean == std::vector<float>(3, 127.0f / 255.0f));
    std::vector<uint8_t> bilinear(16 * 16 * 3), bicubic(16 * 16 * 3);
    open_dataset(o).test->image(0, bilinear.data());
    o.interpolation = Interpolation::bicubic;
    open_dataset(o).test->image(0, bicubic.data());
    BOOST_TEST((bilinear != bicubic));
    DatasetOptions drawn;
    drawn.name = "synthetic";
    drawn.normalize = "half";
    const DatasetPtr half = open_dataset(drawn).test;
    BOOST_TEST(half->facts().deviation == std::vector<float>(1, 0.5f));
    BOOST_TEST(half->label(3) == 3);
    drawn.normalize = "imagenet";
    BOOST_CHECK(throws(ErrorKind::usage, {"--normalize imagenet", "RGB", "1 channels"},
                       [&] { open_dataset(drawn); }));
}

BOOST_AUTO_TEST_SUITE_END()
