#include "run/explain/explain.h"

#include <iomanip>
#include <iostream>
#include <string>
#include <vector>

#include "run/explain/add.h"
#include "run/explain/average.h"
#include "run/explain/quantizer.h"
#include "run/explain/requantize.h"
#include "run/suggest.h"
#include "run/version.h"
#include "tensor/check.h"

namespace gradus {

namespace {

struct Topic {
    const char* name;
    const char* sentence;
    int (*run)(int argc, const char* const* argv);  // argv[0] is the topic
};

const Topic kTopics[] = {
    {"quantizer", "one quantizer on an array, or its staircase and gradient",
     [](int argc, const char* const* argv) {
         return explain_quantizer(parse_quantizer_question(argc, argv));
     }},
    {"requantize", "accumulators put on a grid by a rule, step by step",
     [](int argc, const char* const* argv) {
         return explain_requantize(parse_requantize_question(argc, argv));
     }},
    {"add", "two arrays of codes added by a rule, step by step",
     [](int argc, const char* const* argv) { return explain_add(parse_add_question(argc, argv)); }},
    {"average", "sums of codes put back on their grid by a rule, step by step",
     [](int argc, const char* const* argv) {
         return explain_average(parse_average_question(argc, argv));
     }},
};

std::vector<std::string> topic_names() {
    std::vector<std::string> names;
    for (const Topic& topic : kTopics) names.push_back(topic.name);
    return names;
}

int print_help() {
    std::cout << "Shows what a part of Gradus does with numbers, by running that part.\n"
                 "usage: ./explain TOPIC [flags]\n\ntopics:\n";
    for (const Topic& topic : kTopics) {
        std::cout << "  " << std::left << std::setw(12) << topic.name << topic.sentence << '\n';
    }
    std::cout << "\n./explain TOPIC --help shows the flags of a topic; --version the version.\n";
    return 0;
}

}  // namespace

int run_explain(int argc, const char* const* argv) {
    const std::string name = argc > 1 ? argv[1] : "";
    if (name == "--help" || name == "-h") return print_help();
    if (name == "--version") {
        std::cout << version_line() << '\n';
        return 0;
    }
    std::string list;
    for (const std::string& known : topic_names()) list += " " + known;
    check_kind(!name.empty(), ErrorKind::usage, "nothing to explain; name a topic:", list,
               " (see --help)");
    check_name("topic", name, topic_names());
    for (const Topic& topic : kTopics) {
        if (name == topic.name) return topic.run(argc - 1, argv + 1);
    }
    return 0;
}

}  // namespace gradus
