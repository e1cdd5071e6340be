#include "autograd/gradcheck.h"

#include <boost/test/unit_test.hpp>
#include <cmath>

using namespace gradus;

namespace {

// y = a * sin(b), elementwise.
std::vector<double> forward(const Arrays& in) {
    std::vector<double> y;
    for (size_t i = 0; i < in[0].size(); ++i) y.push_back(in[0][i] * std::sin(in[1][i]));
    return y;
}

GradcheckResult check_with(double factor, double offset) {
    const auto backward = [=](const Arrays& in, const std::vector<double>& dy) {
        Arrays d(2);
        for (size_t i = 0; i < dy.size(); ++i) {
            d[0].push_back(dy[i] * std::sin(in[1][i]));
            d[1].push_back(factor * dy[i] * in[0][i] * std::cos(in[1][i]) + offset);
        }
        return d;
    };
    return gradcheck(forward, backward,
                     {gradcheck_values(8, 0.5, 1, 1), gradcheck_values(8, -1, 1, 2)});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gradcheck_itself, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(a_right_gradient_agrees) {
    const GradcheckResult result = check_with(1, 0);
    BOOST_TEST(result.worst < 1e-9);
    BOOST_TEST(result.compared == 16);
}

BOOST_AUTO_TEST_CASE(a_wrong_gradient_is_named) {
    for (const GradcheckResult& result :
         {check_with(-1, 0), check_with(1.001, 0), check_with(1, 1e-4), check_with(NAN, 0)}) {
        BOOST_TEST(!(result.worst < 1e-6));
        BOOST_TEST(result.where.find("input 1") == 0u);
    }
}

BOOST_AUTO_TEST_SUITE_END()
