#include "data/label_notes.h"

#include <algorithm>

#include "tensor/check.h"

namespace gradus {

namespace {

constexpr size_t kNamed = 3;

std::vector<int64_t> count_labels(const Dataset& data) {
    std::vector<int64_t> counts(data.class_count());
    for (int64_t i = 0; i < data.size(); ++i) ++counts.at(data.label(i));
    return counts;
}

std::vector<int64_t> places_of_zeros(const std::vector<int64_t>& counts) {
    std::vector<int64_t> places;
    for (size_t c = 0; c < counts.size(); ++c) {
        if (counts[c] == 0) places.push_back(static_cast<int64_t>(c));
    }
    return places;
}

// "(coat, bag, 3, ...)", the first few of them.
std::string names_of(const Dataset& data, const std::vector<int64_t>& classes) {
    std::string names;
    for (size_t i = 0; i < std::min(classes.size(), kNamed); ++i) {
        names += (i == 0 ? "(" : ", ") + data.facts().classes.at(classes[i]);
    }
    return names + (classes.size() > kNamed ? ", ...)" : ")");
}

std::string without(const Dataset& data, const std::vector<int64_t>& classes, const char* images) {
    return join(classes.size(), classes.size() == 1 ? " class has no " : " classes have no ",
                images, " ", names_of(data, classes));
}

}  // namespace

std::vector<std::string> label_notes(const Dataset& train, const Dataset& test) {
    std::vector<std::string> notes;
    const std::vector<int64_t> trained = count_labels(train), tested = count_labels(test);
    const std::vector<int64_t> untrained = places_of_zeros(trained);
    if (!untrained.empty()) {
        notes.push_back(without(train, untrained, "training images"));
        const auto first =
            std::find_if(trained.begin(), trained.end(), [](int64_t n) { return n; });
        if (first != trained.begin()) {
            notes.back() += join(": labels begin at ", first - trained.begin());
        }
    }
    int64_t strangers = 0;
    std::vector<int64_t> strange;
    for (const int64_t c : untrained) {
        strangers += tested[c];
        if (tested[c] > 0) strange.push_back(c);
    }
    if (strangers > 0) {
        notes.push_back(join(strangers, strangers == 1 ? " test image is" : " test images are",
                             " of classes without training images ", names_of(train, strange)));
    }
    std::vector<int64_t> untested;
    for (const int64_t c : places_of_zeros(tested)) {
        if (trained[c] > 0) untested.push_back(c);
    }
    if (!untested.empty()) notes.push_back(without(train, untested, "test images"));
    return notes;
}

}  // namespace gradus
