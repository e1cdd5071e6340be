// Labels: every test case states its needs, by exactly one label of its own or of its suites.
#include <algorithm>
#include <array>
#include <boost/test/tree/traverse.hpp>
#include <boost/test/tree/visitor.hpp>
#include <boost/test/unit_test.hpp>
#include <set>
#include <string>

namespace bt = boost::unit_test;

namespace {

const std::array<std::string, 4> kinds{"unit", "network", "process", "oracle"};

// The labels of a case and of the suites around it.
std::set<std::string> labels_of(bt::test_unit_id id) {
    std::set<std::string> labels;
    for (;;) {
        const bt::test_unit& unit = bt::framework::get(id, bt::TUT_ANY);
        labels.insert(unit.p_labels->begin(), unit.p_labels->end());
        if (id == bt::framework::master_test_suite().p_id) return labels;
        id = unit.p_parent_id;
    }
}

struct Labels : bt::test_tree_visitor {
    void visit(const bt::test_case& unit) override {
        const std::set<std::string> labels = labels_of(unit.p_id);
        const auto known = std::count_if(kinds.begin(), kinds.end(), [&](const std::string& kind) {
            return labels.count(kind) > 0;
        });
        ++cases;
        BOOST_TEST(known == 1, unit.p_file_name << '(' << unit.p_line_num
                                                << "): " << unit.full_name() << " has " << known
                                                << " of the labels unit, network, process, oracle; "
                                                   "give its suite one");
    }
    int cases = 0;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(labels, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(every_case_has_one) {
    Labels labels;
    bt::traverse_test_tree(bt::framework::master_test_suite().p_id, labels, true);
    BOOST_TEST(labels.cases > 100);
}

BOOST_AUTO_TEST_SUITE_END()
