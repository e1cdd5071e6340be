// shards -- runs the test cases in several processes at once. Every process, a shard, goes through
// all cases and runs those that no other has taken, according to a table in shared memory. So all
// shards end at about the same time without a list of durations, and the table outlives a shard
// that crashes.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <deque>
#include <functional>
#include <iostream>
#include <new>
#include <string>
#include <vector>

#include "tensor/check.h"
#include "tensor/parallel.h"

namespace gradus {

enum class CaseState { untaken, running, passed, failed };

struct CaseRow {
    std::atomic<CaseState> state{CaseState::untaken};
    double seconds = 0;
    char name[160] = "";  // suite/case, once taken
};

// A row for every test case, in memory that forked processes share.
class CaseTable {
  public:
    static CaseTable& shared() {
        void* const memory = mmap(nullptr, sizeof(CaseTable), PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        check(memory != MAP_FAILED, "test: no memory for the table of cases");
        return *new (memory) CaseTable;
    }

    CaseRow& row(boost::unit_test::test_unit_id id) {
        const size_t index = id - boost::unit_test::MIN_TEST_CASE_ID;
        check(index < capacity, "test: more than ", capacity, " cases: raise `capacity`");
        return rows_[index];
    }
    std::vector<const CaseRow*> in_state(CaseState state) const {
        std::vector<const CaseRow*> found;
        for (const CaseRow& row : rows_) {
            if (row.state == state) found.push_back(&row);
        }
        return found;
    }

    std::atomic<int64_t> selected{0};  // number of cases to run

  private:
    static constexpr size_t capacity = 1 << 14;
    CaseRow rows_[capacity];
};

// Holds back the text that a shard writes until a case ends, so that texts of cases never mix.
class ShardOutput {
  public:
    ShardOutput() : text_(memfd_create("shard", 0)), screen_(dup(STDOUT_FILENO)) {
        check(text_ >= 0 && screen_ >= 0, "test: no file for the output of a shard");
        fcntl(text_, F_SETFL, O_APPEND);
    }
    void capture() const {
        dup2(text_, STDOUT_FILENO);
        dup2(text_, STDERR_FILENO);
    }
    void drop() const {
        std::cout.flush();
        check(ftruncate(text_, 0) == 0, "test: no output can be dropped");
    }

    // Writes the held text to the screen while no other shard does: all lock the same file.
    void show(int lock) const {
        std::cout.flush();
        std::string text(static_cast<size_t>(lseek(text_, 0, SEEK_END)), '\0');
        if (text.empty()) return;
        check(pread(text_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()) &&
                  lockf(lock, F_LOCK, 0) == 0,
              "test: the output of a shard cannot be read");
        for (size_t done = 0; done < text.size();) {
            const ssize_t n = write(screen_, text.data() + done, text.size() - done);
            if (n <= 0) break;  // the reader is gone
            done += static_cast<size_t>(n);
        }
        check(lockf(lock, F_ULOCK, 0) == 0, "test: the screen cannot be released");
        drop();
    }

  private:
    int text_, screen_;
};

// Takes cases for one shard and records their results in the table.
class CaseTaker : public boost::unit_test::test_observer {
    using Id = boost::unit_test::test_unit_id;

  public:
    using Action = std::function<void()>;

    CaseTaker(CaseTable& table, Action begun, Action case_ended)
        : table_(table), begun_(std::move(begun)), case_ended_(std::move(case_ended)) {}

    // After Boost's own observers: one of them must see the start first, another holds the results.
    int priority() override { return 5; }

    void test_start(boost::unit_test::counter_t cases, Id root) override {
        table_.selected = static_cast<int64_t>(cases);
        TakeFirst visitor(*this);
        boost::unit_test::traverse_test_tree(root, visitor);
        begun_();
    }
    void test_unit_finish(const boost::unit_test::test_unit& unit, unsigned long us) override {
        if (unit.p_type != boost::unit_test::TUT_CASE) return;
        CaseRow& row = table_.row(unit.p_id);
        row.seconds = 1e-6 * static_cast<double>(us);
        const bool passed = boost::unit_test::results_collector.results(unit.p_id).passed();
        row.state = passed ? CaseState::passed : CaseState::failed;
        case_ended_();
    }

  private:
    struct TakeFirst : boost::unit_test::test_tree_visitor {
        explicit TakeFirst(CaseTaker& all) : taker(all) {}
        void visit(const boost::unit_test::test_case& unit) override {
            boost::unit_test::framework::get(unit.p_id, boost::unit_test::TUT_CASE)
                .add_precondition([all = &taker](Id id) {
                    return boost::test_tools::assertion_result(all->take(id));
                });
        }
        CaseTaker& taker;
    };

    bool take(Id id) {
        CaseRow& row = table_.row(id);
        CaseState expected = CaseState::untaken;
        if (!row.state.compare_exchange_strong(expected, CaseState::running)) return false;
        const auto& unit = boost::unit_test::framework::get(id, boost::unit_test::TUT_CASE);
        strncpy(row.name, unit.full_name().c_str(), sizeof row.name - 1);
        return true;
    }

    CaseTable& table_;
    Action begun_, case_ended_;
};

// Runs `tests` -- it gets a shard's taker and returns an exit code -- in `count` processes. Returns
// the first exit code that is not 0; 128 + signal for a shard that a signal ended.
template <class Tests>
int run_in_shards(int count, CaseTable& table, const Tests& tests) {
    const int lock = memfd_create("screen", 0);
    const int threads = thread_count() / count;
    std::deque<ShardOutput> outputs(static_cast<size_t>(count));
    std::vector<pid_t> shards;
    for (const ShardOutput& output : outputs) {
        shards.push_back(fork());
        check(shards.back() >= 0, "test: no process for a shard");
        if (shards.back() > 0) continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        output.capture();
        set_thread_count(std::max(1, threads));
        const bool first = shards.size() == 1;
        const auto begun = [&] {  // "Running ... test cases" is not said by all
            if (!first) output.drop();
        };
        CaseTaker taker(table, begun, [&] { output.show(lock); });
        std::exit(tests(taker));
    }
    int result = 0;
    for (size_t left = shards.size(); left > 0; --left) {
        int status = 0;
        const pid_t ended = waitpid(-1, &status, 0);
        const size_t shard = std::find(shards.begin(), shards.end(), ended) - shards.begin();
        check(shard < shards.size(), "test: a shard is lost");
        // Before the tests all shards print the same, such as a list of the cases: print it once.
        if (table.selected == 0 && shard > 0) outputs[shard].drop();
        outputs[shard].show(lock);
        const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        if (WIFSIGNALED(status)) {
            std::cout << "a shard was ended by signal " << WTERMSIG(status) << std::endl;
        }
        if (result == 0) result = code;
    }
    return result;
}

}  // namespace gradus
