#include "autograd/variable.h"

#include <boost/test/unit_test.hpp>

#include "autograd/ops.h"
#include "tests/compare.h"
#include "tests/files.h"

using namespace gradus;

namespace {

float first(const Tensor& t) {
    return t.to_vector<float>().at(0);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(variable, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(a_diamond_adds_the_gradients_of_its_paths) {
    const Variable x(Tensor::full({1}, 2), true), three(Tensor::full({1}, 3));
    const Variable left = multiply_axis(x, three, 0), right = relu(x);
    backward(add(left, right));
    BOOST_TEST(first(x.grad()) == 4.0f);
}

BOOST_AUTO_TEST_CASE(a_deep_ladder_of_diamonds_is_walked_once) {
    const Variable x(Tensor::full({1}, 1), true);
    Variable y = x;
    for (int i = 0; i < 60; ++i) y = add(y, y);
    backward(y);
    BOOST_TEST(first(x.grad()) == 0x1p60f);
}

// add gives one tensor to both inputs. A later addition to one must not change the other.
BOOST_AUTO_TEST_CASE(shared_gradients_are_not_corrupted) {
    const Variable a(Tensor::full({1}, 1), true), b(Tensor::full({1}, 1), true);
    const Variable five(Tensor::full({1}, 5));
    backward(add(add(a, b), add(multiply_axis(a, five, 0), a)));
    BOOST_TEST(first(a.grad()) == 7.0f);
    BOOST_TEST(first(b.grad()) == 1.0f);
}

BOOST_AUTO_TEST_CASE(gradients_of_two_losses_add_up_on_a_leaf) {
    const Variable x(Tensor::full({1}, 1), true);
    backward(relu(x));
    const Tensor before = x.grad();
    backward(relu(x));
    BOOST_TEST(first(x.grad()) == 2.0f);
    BOOST_TEST(first(before) == 1.0f);
}

BOOST_AUTO_TEST_CASE(nothing_is_recorded_without_a_gradient_to_want) {
    const size_t before = allocated_bytes();
    Variable y(Tensor::full({1000}, 1));
    for (int i = 0; i < 10; ++i) y = relu(y);
    BOOST_TEST(!y.requires_grad());
    // One output is alive: a tape that kept values would have kept all ten.
    BOOST_TEST(allocated_bytes() - before < 2 * 4096u);
    BOOST_TEST(throws(ErrorKind::runtime, {"backward"}, [&] { backward(y); }));
    BOOST_TEST(throws(ErrorKind::runtime, {"grad"}, [&] { y.grad(); }));
}

BOOST_AUTO_TEST_CASE(a_value_that_backward_does_not_read_is_freed_at_once) {
    const Variable x(Tensor::full({1000}, 1), true);
    const size_t before = allocated_bytes();
    Variable y = add(x, x);
    for (int i = 0; i < 9; ++i) y = add(y, y);
    BOOST_TEST(allocated_bytes() - before < 2 * 4096u);
}

BOOST_AUTO_TEST_CASE(backward_frees_the_tape) {
    const Variable x(Tensor::full({1000}, 1), true);
    const size_t before = allocated_bytes();
    {
        Variable y = x;
        for (int i = 0; i < 10; ++i) y = relu(y);
        BOOST_TEST(allocated_bytes() - before >= 10 * 4000u);
        backward_from(y, Tensor::full({1000}, 1));
        // Still alive: y, and the gradient of x.
        BOOST_TEST(allocated_bytes() - before < 3 * 4096u);
    }
    BOOST_TEST(allocated_bytes() - before < 2 * 4096u);
}

BOOST_AUTO_TEST_CASE(a_leaf_that_does_not_matter_has_no_gradient) {
    const Variable x(Tensor::full({1}, 1), true), other(Tensor::full({1}, 1), true);
    backward(relu(x));
    BOOST_TEST(x.grad().defined());
    BOOST_TEST(!other.grad().defined());
}

BOOST_AUTO_TEST_CASE(a_loss_is_one_number) {
    const Variable x(Tensor::full({2}, 1), true);
    BOOST_TEST(throws(ErrorKind::runtime, {"one number", "[2]"}, [&] { backward(relu(x)); }));
}

BOOST_AUTO_TEST_CASE(an_operator_must_give_one_gradient_per_input) {
    const Variable x(Tensor::full({1}, 1), true);
    const Variable wrong = record("wrong", Variable(Tensor::full({1}, 1)), {x},
                                  [](const Tensor&) -> Grads { return {}; });
    BOOST_TEST(
        throws(ErrorKind::runtime, {"wrong", "0 gradients", "1 inputs"}, [&] { backward(wrong); }));
}

BOOST_AUTO_TEST_SUITE_END()
