// The staircase of ./explain: every code once, edges as in the formula, derivatives of the kernel,
// and plots that are well-formed XML.
#include "run/explain/staircase.h"

#include <boost/test/unit_test.hpp>
#include <cmath>

#include "tests/train_process.h"
#include "tests/xml.h"

using namespace gradus;

namespace {

struct Shown {
    QuantizerProbe probe;
    std::vector<Step> steps;
};

Shown show(const QuantizerQuestion& question) {
    const Tensor first = standard_ramp(question);
    Shown shown{make_probe(question, first, "from a ramp"), {}};
    shown.steps = staircase(shown.probe, ramp_for(shown.probe, first));
    return shown;
}

QuantizerQuestion question_for(const std::string& algo, int bits,
                               std::vector<std::string> set = {}) {
    QuantizerQuestion question;
    question.algo = algo;
    question.bits = bits;
    question.set = std::move(set);
    question.gradient_scale = 1.0;
    return question;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(staircase_of_a_quantizer, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(lsq_has_its_formulas) {
    const float s = 0.5f;
    const std::vector<Step> steps = show(question_for("lsq", 4, {"scale=0.5"})).steps;
    BOOST_TEST_REQUIRE(steps.size() == 16u);
    for (int i = 0; i < 16; ++i) {
        const Step& step = steps[i];
        BOOST_TEST(step.code == i - 8);
        BOOST_TEST(step.x_hat == s * static_cast<float>(step.code));
        if (i > 0) BOOST_TEST(std::fabs(step.from() - s * (step.code - 0.5f)) <= 1e-6f);
        if (i < 15) BOOST_TEST(std::fabs(step.to() - s * (step.code + 0.5f)) <= 1e-6f);
        for (const GradientPoint& point : step.points) {
            const float rounded = std::nearbyint(point.x / s);
            const bool inside = rounded >= -8 && rounded <= 7;
            const float want = inside ? rounded - point.x / s : (rounded < -8 ? -8.0f : 7.0f);
            BOOST_TEST(point.by_x == (inside ? 1.0f : 0.0f));
            BOOST_TEST(std::fabs(point.by_parameter.at(0) - want) <= 1e-5f);
        }
    }
    BOOST_TEST(steps.front().points.front().by_x == 0.0f);  // the margin shows the clipping
    BOOST_TEST(steps.back().points.back().by_x == 0.0f);
    BOOST_TEST(show(question_for("lsq", 2)).steps.back().points.back().by_x == 0.0f);
}

BOOST_AUTO_TEST_CASE(every_algorithm_shows_all_codes_in_order) {
    for (const Algorithm& algorithm : algorithms()) {
        for (const char* role : {"weight", "activation"}) {
            for (int bits : {3, 4}) {
                QuantizerQuestion question = question_for(algorithm.name, bits);
                question.role = role;
                BOOST_TEST_CONTEXT(algorithm.name << ' ' << role << ' ' << bits) {
                    const std::vector<Step> steps = show(question).steps;
                    // APoT (weights do not reach the ends) and QIL (no lowest code) have the
                    // fewest.
                    BOOST_TEST(steps.size() >= (1u << (bits - 1)));
                    for (size_t i = 1; i < steps.size(); ++i) {
                        BOOST_TEST(steps[i].code > steps[i - 1].code);
                        BOOST_TEST(steps[i].x_hat > steps[i - 1].x_hat);
                        BOOST_TEST(steps[i].from() >= steps[i - 1].to());
                    }
                }
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(the_soft_gradient_of_dsq_is_lowest_in_the_middle_of_a_step) {
    const std::vector<Step> steps = show(question_for("dsq", 4)).steps;
    const std::vector<GradientPoint>& points = steps.at(8).points;  // of code 0
    BOOST_TEST(std::fabs(points.front().by_x - 1.155245f) < 1e-3f);
    BOOST_TEST(std::fabs(points[points.size() / 2].by_x - 0.739357f) < 2e-2f);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(staircase_plots, *boost::unit_test::label("process"))

BOOST_AUTO_TEST_CASE(plots_are_xml_with_a_step_for_each_code) {
    const TemporaryFolder folder;
    const ProcessOutcome end =
        run_explain({"quantizer", "--bits", "3", "--output", folder.path("p")});
    BOOST_TEST(end.code == 0, end.err);
    const std::string transfer = read_bytes(folder.path("p/transfer.svg"));
    const std::string gradient = read_bytes(folder.path("p/gradient.svg"));
    BOOST_TEST(xml_fault(transfer) == "");
    BOOST_TEST(xml_fault(gradient) == "");
    BOOST_TEST(count(transfer, "H") == 8);
    BOOST_TEST(count(transfer, "lsq, s3 symmetric") == 2);  // title and heading
    BOOST_TEST(count(gradient, "d x_hat / d ") == 2);       // by x, by scale
    BOOST_TEST(count(end.out, "\n-4 ") == 1);
    BOOST_TEST(count(end.out, " 0.5 to -0.5\n") == 6);
}

BOOST_AUTO_TEST_SUITE_END()
