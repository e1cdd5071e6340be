// SVG: well formed for any text, one command for each step, round numbers at the axes.
#include "run/explain/svg.h"

#include <boost/test/unit_test.hpp>

#include "tests/xml.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(svg, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(stairs_are_one_command_each) {
    const SvgCurve stairs{.name = "", .x = {0, 1, 2, 3}, .y = {5, 6, 7}, .stairs = true};
    const std::string svg = svg_text({"t", "x", {{"y", {stairs}}}});
    BOOST_TEST(xml_fault(svg) == "");
    BOOST_TEST(count(svg, "H") == 3);
    BOOST_TEST(count(svg, "V") == 2);
    BOOST_TEST(count(svg, "H780.00\"/>") == 1);  // to the right end
}

BOOST_AUTO_TEST_CASE(texts_in_plots_are_escaped) {
    const SvgPlot plot{"a < b & c > d", "x", {{"y", {{.name = "<", .x = {0, 1}, .y = {2, 3}}}}}};
    const std::string svg = svg_text(plot);
    BOOST_TEST(xml_fault(svg) == "");
    BOOST_TEST(count(svg, "a &lt; b &amp; c &gt; d") == 2);
    BOOST_TEST(xml_fault("<a><b></a></b>") != "");  // the check itself can fail
}

BOOST_AUTO_TEST_CASE(ticks_are_round_numbers) {
    const auto ticks = [](double low, double high, int n) { return round_ticks(low, high, n); };
    BOOST_TEST(ticks(-0.3, 2.1, 5) == (std::vector<double>{0, 0.5, 1, 1.5, 2}));
    BOOST_TEST(ticks(0, 100, 4) == (std::vector<double>{0, 50, 100}));
    BOOST_TEST(ticks(1, 1, 4).empty());
}

BOOST_AUTO_TEST_CASE(a_single_point_can_be_drawn) {
    const SvgPlot plot{"point", "x", {{"y", {{.name = "", .x = {1, 1}, .y = {2, 2}}}}}};
    BOOST_TEST(count(svg_text(plot), "nan") == 0);
    BOOST_TEST(count(svg_text(plot), "inf") == 0);
}

BOOST_AUTO_TEST_SUITE_END()
