// The test program. Boost.Test reports each failure; this file counts the test cases and ends with
// what they ran on and how many passed.
#define BOOST_TEST_ALTERNATIVE_INIT_API
#define BOOST_TEST_NO_MAIN
#include <boost/test/included/unit_test.hpp>
#include <iostream>
#include <string>

#include "tensor/storage.h"

namespace {

namespace bt = boost::unit_test;

// Counts the test cases that passed. All others failed: also those that never began because a
// fatal signal ended the run before them.
struct CaseCounter : bt::test_observer {
    // After Boost's own observers: one of them must see the start first, another holds the results.
    int priority() override { return 5; }
    void test_start(bt::counter_t cases, bt::test_unit_id) override { selected = cases; }
    void test_unit_finish(const bt::test_unit& unit, unsigned long) override {
        if (unit.p_type != bt::TUT_CASE) return;
        passed += bt::results_collector.results(unit.p_id).passed();
    }

    bt::counter_t selected = 0;
    bt::counter_t passed = 0;
};

CaseCounter counter;

// What the tests could run on, seen by what can be allocated.
std::string devices() {
    const gradus::Device cuda = gradus::Device::cuda();
    if (!gradus::device_allocate.filled(cuda.type)) return "cpu (cuda: not in this build)";
    try {
        const gradus::Storage block(1, cuda);
        return "cpu, cuda";
    } catch (const gradus::Error&) {
        return "cpu (cuda: in this build, but no GPU answers)";
    }
}

bool begin() {
    bt::framework::master_test_suite().p_name.value = "gradus";
    bt::framework::register_observer(counter);
    return true;
}

}  // namespace

int main(int argc, char** argv) {
    const int status = bt::unit_test_main(begin, argc, argv);
    std::cout << "ran on: " << devices() << '\n'
              << counter.passed << " passed, " << counter.selected - counter.passed << " failed"
              << std::endl;
    return status;
}
