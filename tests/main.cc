// The test program. Boost.Test reports each failure; this file counts the test cases and prints at
// the end the slowest, the devices, and the number that passed. --shards=N runs them in N processes
// at once, --shards in one for each core.
#define BOOST_TEST_ALTERNATIVE_INIT_API
#define BOOST_TEST_NO_MAIN
#include <algorithm>
#include <boost/test/included/unit_test.hpp>
#include <cstdio>
#include <iostream>
#include <string>

#include "tensor/storage.h"
#include "tests/shards.h"

namespace {

using namespace gradus;
namespace bt = boost::unit_test;

// The devices of the tests, found by allocating on them.
std::string devices() {
    const Device cuda = Device::cuda();
    if (!device_allocate.filled(cuda.type)) return "cpu (cuda: not in this build)";
    try {
        const Storage block(1, cuda);
        return "cpu, cuda";
    } catch (const Error&) {
        return "cpu (cuda: in this build, but no GPU answers)";
    }
}

CaseTaker* taker = nullptr;  // Boost's initialization takes a function, not a closure
bool sharded = false;

bool begin() {
    bt::framework::master_test_suite().p_name.value = "gradus";
    bt::framework::register_observer(*taker);
    if (sharded) bt::results_reporter::set_level(bt::NO_REPORT);  // it would judge one shard
    return true;
}

// Removes the argument --shards=N and returns N; without "=N" the number of cores. 0 if absent.
int shard_count(int& argc, char** argv) {
    const std::string flag = "--shards";
    char** const end = argv + argc;
    char** const found =
        std::find_if(argv, end, [&](const char* a) { return std::string(a).rfind(flag, 0) == 0; });
    if (found == end) return 0;
    const std::string value = *found + flag.size();
    const int count = value.empty() ? thread_count() : std::atoi(value.c_str() + 1);
    if (count < 1) {
        std::cerr << "error: " << *found << ": give the number of processes, at least 1\n";
        std::exit(2);
    }
    std::copy(found + 1, end + 1, found);  // with the null pointer at the end
    --argc;
    return count;
}

void print_names(const char* title, const std::vector<const CaseRow*>& rows) {
    for (const CaseRow* row : rows) std::cout << title << row->name << '\n';
}

// Returns the number of failures. A case that never began or never ended, because a fatal signal
// ended its process, has failed too.
int64_t report(const CaseTable& table) {
    std::vector<const CaseRow*> ended = table.in_state(CaseState::passed);
    const auto failed = table.in_state(CaseState::failed);
    const auto unfinished = table.in_state(CaseState::running);
    const int64_t passed = static_cast<int64_t>(ended.size());
    ended.insert(ended.end(), failed.begin(), failed.end());
    std::stable_sort(ended.begin(), ended.end(),
                     [](const CaseRow* a, const CaseRow* b) { return a->seconds > b->seconds; });
    if (ended.size() > 10) {
        std::cout << "the ten slowest cases:\n";
        for (size_t i = 0; i < 10; ++i) {
            char seconds[32];
            std::snprintf(seconds, sizeof seconds, "%8.2f s  ", ended[i]->seconds);
            std::cout << seconds << ended[i]->name << '\n';
        }
    }
    print_names("failed: ", failed);
    print_names("not finished: ", unfinished);
    const int64_t begun = static_cast<int64_t>(ended.size() + unfinished.size());
    if (begun < table.selected) std::cout << "never begun: " << table.selected - begun << '\n';
    std::cout << "ran on: " << devices() << '\n'
              << passed << " passed, " << table.selected - passed << " failed" << std::endl;
    return table.selected - passed;
}

}  // namespace

int main(int argc, char** argv) {
    const int shards = shard_count(argc, argv);
    CaseTable& table = CaseTable::shared();
    const auto tests = [&](CaseTaker& all) {
        taker = &all;
        return bt::unit_test_main(begin, argc, argv);
    };
    sharded = shards > 0;
    CaseTaker alone(
        table, [] {}, [] {});
    const int status = sharded ? run_in_shards(shards, table, tests) : tests(alone);
    const int64_t failed = report(table);
    return status == 0 && failed > 0 ? boost::exit_test_failure : status;
}
