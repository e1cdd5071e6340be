// schedule -- learning rates by step, against MQBench's own scheduler.
#include "nn/schedule.h"

#include <boost/test/unit_test.hpp>

using namespace gradus;

BOOST_AUTO_TEST_SUITE(schedule, *boost::unit_test::label("unit"))

// MQBench's configuration for ImageNet: 2500 of 250000 steps of warm-up from 1e-4 to 4e-3.
BOOST_AUTO_TEST_CASE(golden_rates) {
    const WarmupCosine schedule{1e-4, 4e-3, 2500, 250000};
    BOOST_TEST(schedule.at(1) == 1e-4, boost::test_tools::tolerance(1e-12));
    BOOST_TEST(schedule.at(1250) == 0.002049220, boost::test_tools::tolerance(5e-7));
    BOOST_TEST(schedule.at(2500) == 0.004, boost::test_tools::tolerance(1e-12));
    BOOST_TEST(schedule.at(125000) == 0.002031732, boost::test_tools::tolerance(5e-7));
    BOOST_TEST(std::abs(schedule.at(250000)) < 1e-15);
}

BOOST_AUTO_TEST_CASE(rises_then_falls_without_a_jump) {
    const WarmupCosine schedule{0.001, 0.1, 20, 100};
    for (int64_t step = 2; step <= 100; ++step) {
        const double change = schedule.at(step) - schedule.at(step - 1);
        BOOST_TEST((step <= 20 ? change > 0 : change < 0), "step " << step);
        BOOST_TEST(std::abs(change) < 0.006, "step " << step);
    }
}

BOOST_AUTO_TEST_CASE(short_schedules_stay_finite) {
    BOOST_TEST((WarmupCosine{0.1, 0.1, 1, 1}.at(1)) == 0.1);
    BOOST_TEST((WarmupCosine{0.1, 0.1, 0, 2}.at(1)) == 0.05, boost::test_tools::tolerance(1e-12));
    BOOST_TEST((WarmupCosine{0.05, 0.1, 2, 2}.at(1)) == 0.05);
    BOOST_TEST((WarmupCosine{0.05, 0.1, 2, 2}.at(2)) == 0.1);
    BOOST_TEST((WarmupCosine{0.1, 0.1, 1, 0}.at(1)) == 0.1);
}

BOOST_AUTO_TEST_SUITE_END()
