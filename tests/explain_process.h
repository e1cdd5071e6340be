// explain_process -- runs ./explain on files in its own folder, and checks its refusals.
#pragma once

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "io/npy.h"
#include "tests/train_process.h"

namespace gradus {

inline void check_refused(int code, const Arguments& arguments,
                          const std::vector<std::string>& parts) {
    check_one_line_error("./explain", arguments, run_explain(arguments), code, parts);
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
