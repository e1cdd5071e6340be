// explain_process -- ./explain on files of a folder of its own, and what it refuses.
#pragma once

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "io/npy.h"
#include "tests/train_process.h"

namespace gradus {

using Arguments = std::vector<std::string>;

// Ends with `code` and one line on stderr that contains every part.
inline void check_refused(int code, const Arguments& arguments,
                          const std::vector<std::string>& parts) {
    std::string command = "./explain";
    for (const std::string& argument : arguments) command += " " + argument;
    BOOST_TEST_CONTEXT(command) {
        const ProcessOutcome end = run_explain(arguments);
        BOOST_TEST(end.code == code);
        BOOST_TEST(end.out == "");
        BOOST_TEST(end.err.rfind("error: ", 0) == 0, end.err);
        BOOST_TEST(end.err.find('\n') == end.err.size() - 1, end.err);
        for (const std::string& part : parts) {
            BOOST_TEST(end.err.find(part) != std::string::npos, part << " is not in " << end.err);
        }
    }
}

// A topic that writes one array of codes.
struct ExplainedCodes {
    TemporaryFolder folder;
    ProcessOutcome end;

    std::string save(const std::string& name, const Tensor& values) const {
        save_npy(folder.path(name), values);
        return folder.path(name);
    }
    Tensor run(Arguments arguments) {
        arguments.insert(arguments.end(), {"--output", folder.path("q.npy")});
        end = run_explain(arguments);
        BOOST_TEST_REQUIRE(end.code == 0, end.err);
        const Tensor q = load_npy(folder.path("q.npy"));
        BOOST_TEST(q.dtype() == DType::I32);
        return q;
    }
    std::vector<int32_t> codes(const Arguments& arguments) {
        return run(arguments).to_vector<int32_t>();
    }
    bool says(const std::string& part) const { return end.out.find(part) != std::string::npos; }
};

}  // namespace gradus
