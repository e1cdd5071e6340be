// ./explain: golden vectors through its files, consequences of flags, refusals.
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <numbers>

#include "tests/explain_process.h"

using namespace gradus;

namespace {

using Floats = std::vector<float>;

const Floats kLsqInput{-5, -1, -.25, 0, .25, .75, 1.1, 3.4, 3.75, 9};
const Floats kPactInput{0, .3, .19, 2.5, 5.9, 6, 6.1, 10};
const Floats kWeights{.9, -.2, .1, -.5, .3, .4, .05, -.95, .6, -.1, .2, .7};  // [3, 4]

Tensor vector_of(const Floats& values) {
    return Tensor::from(values, {static_cast<int64_t>(values.size())});
}

// Runs `./explain quantizer` on an array, with its files in a separate folder.
struct Explained {
    TemporaryFolder folder;
    std::string text;

    Explained(const Tensor& x, Arguments arguments) {
        save_npy(folder.path("x.npy"), x);
        arguments.insert(arguments.begin(), {"quantizer", "--input", folder.path("x.npy"),
                                             "--output", folder.path("out")});
        const ProcessOutcome end = run_explain(arguments);
        BOOST_TEST(end.code == 0, end.err);
        text = end.out;
    }
    Tensor tensor(const std::string& name) const { return load_npy(folder.path("out/" + name)); }
    Floats floats(const std::string& name) const { return tensor(name).to_vector<float>(); }
    float number(const std::string& name) const {
        BOOST_TEST(tensor(name).shape() == Shape());
        return floats(name).at(0);
    }
    bool says(const std::string& part) const { return text.find(part) != std::string::npos; }
};

void near(const Floats& got, const Floats& want) {
    BOOST_TEST_REQUIRE(got.size() == want.size());
    for (size_t i = 0; i < got.size(); ++i) {
        BOOST_TEST(std::fabs(got[i] - want[i]) <= 1e-6f * std::max(1.0f, std::fabs(want[i])),
                   "element " << i << ": " << got[i] << ", not " << want[i]);
    }
}

void refused_on(const std::string& file, int code, Arguments arguments,
                const std::vector<std::string>& parts) {
    arguments.insert(arguments.begin(), {"quantizer", "--input", file});
    check_refused(code, arguments, parts);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(explain, *boost::unit_test::label("process"))

BOOST_AUTO_TEST_CASE(lsq_golden_vector_with_every_file) {
    const Explained out(vector_of(kLsqInput),
                        {"--algo", "lsq", "--set", "scale=0.5", "--gradient-scale", "1"});
    BOOST_TEST(out.floats("x_hat.npy") == (Floats{-4, -1, 0, 0, 0, 1, 1, 3.5, 3.5, 3.5}));
    BOOST_TEST(out.floats("grad_input.npy") == (Floats{0, 1, 1, 1, 1, 1, 1, 1, 0, 0}));
    BOOST_TEST(out.tensor("codes.npy").to_vector<int32_t>() ==
               (std::vector<int32_t>{-8, -2, 0, 0, 0, 2, 2, 7, 7, 7}));
    BOOST_TEST(out.number("scale.npy") == 0.5f);
    BOOST_TEST(out.number("zero_point.npy") == 0.0f);
    near({out.number("grad_scale.npy")}, {6.5f});
    BOOST_TEST(out.says("0.5 (set, learned)"));
    BOOST_TEST(out.says("1 below, 2 above, of 10"));
    BOOST_TEST(std::distance(std::filesystem::directory_iterator(out.folder.path("out")), {}) == 6);
}

BOOST_AUTO_TEST_CASE(pact_golden_vector) {
    const Explained out(vector_of(kPactInput),
                        {"--algo", "pact", "--unsigned", "--set", "alpha=6"});
    near(out.floats("x_hat.npy"), {0, .4, 0, 2.4, 6, 6, 6, 6});
    BOOST_TEST(out.floats("grad_input.npy") == (Floats{1, 1, 1, 1, 1, 1, 0, 0}));
    BOOST_TEST(out.number("grad_alpha.npy") == 2.0f);
}

BOOST_AUTO_TEST_CASE(qil_and_tqt_take_their_parameters) {
    const Explained qil(vector_of({.9, -.2, .1, -.5, .3, .4, .05, -.95}),
                        {"--algo", "qil", "--role", "weight", "--set", "center=0.5", "--set",
                         "width=0.4", "--gradient-scale", "1"});
    BOOST_TEST(qil.tensor("codes.npy").to_vector<int32_t>() ==
               (std::vector<int32_t>{7, -1, 0, -4, 2, 3, 0, -7}));
    near({qil.number("grad_center.npy"), qil.number("grad_width.npy")}, {-2.5f, 0.0f});
    // s = 2^ceil(1.3) / 8 = 0.5: the LSQ vector, its bracket times s ln 2
    const Explained tqt(vector_of(kLsqInput), {"--algo", "tqt", "--set", "log2_threshold=1.3"});
    BOOST_TEST(tqt.number("scale.npy") == 0.5f);
    near({tqt.number("grad_log2_threshold.npy")}, {6.5f * 0.5f * std::numbers::ln2_v<float>});
}

BOOST_AUTO_TEST_CASE(a_real_offset_is_no_integer) {
    const Arguments flags{"--algo", "lsq+", "--set", "scale=0.5", "--set", "beta=0.3"};
    const Explained real(vector_of(kLsqInput), flags);
    near({real.number("zero_point.npy")}, {-0.6f});
    const std::vector<int32_t> codes = real.tensor("codes.npy").to_vector<int32_t>();
    Floats x_hat;
    for (int32_t code : codes) x_hat.push_back(0.5f * (static_cast<float>(code) + 0.6f));
    near(real.floats("x_hat.npy"), x_hat);
    BOOST_TEST(real.tensor("grad_beta.npy").shape() == Shape());
    BOOST_TEST(real.says("--set beta implies --asymmetric"));
    Arguments exact = flags;
    exact.insert(exact.end(), {"--simulate", "exact"});
    BOOST_TEST(Explained(vector_of(kLsqInput), exact).number("zero_point.npy") == -1.0f);
}

BOOST_AUTO_TEST_CASE(first_values_and_gradient_scale_are_those_of_training) {
    double sum = 0.0;
    for (float x : kLsqInput) sum += std::fabs(x);
    const Explained started(vector_of(kLsqInput), {});
    near({started.number("scale.npy")}, {static_cast<float>(2 * sum / 10 / std::sqrt(7.0))});
    BOOST_TEST(started.says("(from the input, learned)"));
    const Explained scaled(vector_of(kLsqInput), {"--set", "scale=0.5"});
    near({scaled.number("grad_scale.npy")}, {static_cast<float>(6.5 / std::sqrt(70.0))});
    BOOST_TEST(
        Explained(vector_of(kLsqInput), {"--algo", "pact"}).says("6 (the algorithm's constant"));
}

BOOST_AUTO_TEST_CASE(the_gradient_is_taken_from_a_file) {
    const TemporaryFolder files;
    Floats dy(10, 0.0f);
    dy[0] = 2.0f;  // -8 below the range
    dy[3] = 5.0f;
    save_npy(files.path("dy.npy"), vector_of(dy));
    const Explained out(vector_of(kLsqInput), {"--set", "scale=0.5", "--gradient-scale", "1",
                                               "--grad", files.path("dy.npy")});
    BOOST_TEST(out.floats("grad_input.npy") == (Floats{0, 0, 0, 5, 0, 0, 0, 0, 0, 0}));
    BOOST_TEST(out.number("grad_scale.npy") == -16.0f);
    BOOST_TEST(out.says("1 below, 2 above"));  // whatever dy is
}

BOOST_AUTO_TEST_CASE(channels_have_one_number_each) {
    const TemporaryFolder files;
    save_npy(files.path("s.npy"), Tensor::from<double>({.5, .25, .125}, {3}));
    for (const char* axis : {"0", "-2"}) {
        const Explained out(Tensor::from(kWeights, {3, 4}),
                            {"--role", "weight", "--per-channel", axis, "--set",
                             "scale=" + files.path("s.npy"), "--set", "zero_point=1"});
        BOOST_TEST(out.tensor("x_hat.npy").shape() == (Shape{3, 4}));
        BOOST_TEST(out.tensor("codes.npy").shape() == (Shape{3, 4}));
        BOOST_TEST(out.tensor("codes.npy").dtype() == DType::I32);
        BOOST_TEST(out.floats("scale.npy") == (Floats{.5, .25, .125}));
        BOOST_TEST(out.floats("zero_point.npy") == (Floats{1, 1, 1}));
        BOOST_TEST(out.tensor("grad_scale.npy").shape() == Shape{3});
        BOOST_TEST(out.tensor("grad_zero_point.npy").shape() == Shape{3});
        const std::vector<int32_t> codes = out.tensor("codes.npy").to_vector<int32_t>();
        BOOST_TEST(codes[3] == 0);   // -0.5 / 0.5 + 1
        BOOST_TEST(codes[7] == -3);  // -0.95 / 0.25 + 1
        BOOST_TEST(out.floats("x_hat.npy")[7] == -1.0f);
    }
    const Explained last(Tensor::from(kWeights, {3, 4}),
                         {"--role", "weight", "--per-channel", "1"});
    BOOST_TEST(last.tensor("grad_scale.npy").shape() == Shape{4});
    const Explained scalar(Tensor::full({}, 0.7f), {"--set", "scale=0.5"});
    BOOST_TEST(scalar.tensor("x_hat.npy").shape() == Shape());
    BOOST_TEST(scalar.number("x_hat.npy") == 0.5f);
}

BOOST_AUTO_TEST_CASE(the_sign_of_the_data_frees_the_zero_point_of_pact) {
    const Explained both(vector_of({-3, -1, 2, 8}), {"--algo", "pact", "--asymmetric"});
    near({both.number("grad_negative_alpha.npy")}, {0.0f});
    const Explained positive(vector_of({3, 1, 2, 8}), {"--algo", "pact", "--asymmetric"});
    BOOST_TEST(positive.number("zero_point.npy") == -8.0f);
    BOOST_TEST(!std::filesystem::exists(positive.folder.path("out/grad_negative_alpha.npy")));
}

BOOST_AUTO_TEST_CASE(weights_under_pact_are_those_of_dorefa) {
    const Explained out(Tensor::from(kWeights, {3, 4}), {"--algo", "pact", "--role", "weight"});
    BOOST_TEST(out.says("pact quantizes weights by the rule of dorefa"));
    BOOST_TEST(out.text.rfind("dorefa", 0) == 0);
}

BOOST_AUTO_TEST_CASE(json_has_what_the_text_has) {
    const TemporaryFolder folder;
    save_npy(folder.path("x.npy"), vector_of(kLsqInput));
    const ProcessOutcome end = run_explain({"quantizer", "--input", folder.path("x.npy"), "--set",
                                            "scale=0.5", "--gradient-scale", "1", "--json"});
    BOOST_TEST(end.code == 0, end.err);
    const auto json = nlohmann::json::parse(end.out);
    BOOST_TEST(json["algorithm"] == "lsq");
    BOOST_TEST(json["parameters"][0]["origin"] == "set");
    BOOST_TEST(json["scale"][0] == 0.5);
    BOOST_TEST(json["gradients"]["scale"][0] == 6.5);
    BOOST_TEST(json["clipped_above"] == 2);
    BOOST_TEST(folder.names() == Arguments{"x.npy"});  // nothing without --output
}

BOOST_AUTO_TEST_CASE(questions_are_answered) {
    for (const auto& [arguments, part] :
         {std::pair{Arguments{"--help"}, "quantizer"},
          std::pair{Arguments{"quantizer", "--help"}, "--per-channel AXIS"},
          std::pair{Arguments{"--version"}, "gradus"}}) {
        const ProcessOutcome end = run_explain(arguments);
        BOOST_TEST(end.code == 0);
        BOOST_TEST(end.err == "");
        BOOST_TEST(end.out.find(part) != std::string::npos, part << " is not in " << end.out);
    }
}

BOOST_AUTO_TEST_CASE(wrong_usage_is_2) {
    const TemporaryFolder files;
    const std::string x = files.path("x.npy");
    save_npy(x, Tensor::from(kWeights, {3, 4}));
    save_npy(files.path("negative.npy"), vector_of({1, -1, 1}));
    check_refused(2, {}, {"topic", "quantizer"});
    check_refused(2, {"quantiser"}, {"quantiser", "did you mean 'quantizer'?"});
    check_refused(2, {"quantizer", "x.npy"}, {"x.npy"});
    check_refused(2, {"quantizer", "--algo", "lqs"}, {"lqs", "lsq+"});
    check_refused(2, {"quantizer", "--bits", "9"}, {"--bits", "2 to 8"});
    check_refused(2, {"quantizer", "--role", "bias"}, {"bias", "weight, activation"});
    check_refused(2, {"quantizer", "--calibration", "best"}, {"best", "minmax"});
    check_refused(2, {"quantizer", "--narrow", "--unsigned"}, {"--narrow", "--unsigned"});
    check_refused(2, {"quantizer", "--set", "scale=1e38"}, {"lsq", "range"});
    check_refused(2, {"quantizer", "--grad", x}, {"--grad", "--input"});
    check_refused(2, {"quantizer", "--per-channel", "0"}, {"--per-channel", "--input"});
    refused_on(x, 2, {"--per-channel", "2"}, {"--per-channel 2", "[3, 4]", "-2 to 1"});
    refused_on(x, 2, {"--per-channel", "-3"}, {"--per-channel -3", "-2 to 1"});
    refused_on(x, 2, {"--algo", "pact", "--per-channel", "0"}, {"pact", "per channel"});
    refused_on(x, 2, {"--algo", "tqt", "--asymmetric"}, {"tqt", "asymmetric"});
    refused_on(x, 2, {"--algo", "qil", "--simulate", "exact"}, {"qil", "not deployable"});
    // Flags without effect are refused.
    refused_on(x, 2, {"--dsq-form", "ste"}, {"--dsq-form ste", "lsq has one", "--algo dsq"});
    refused_on(x, 2, {"--reading", "code"}, {"--reading code", "changes nothing", "drop it"});
    refused_on(x, 2, {"--algo", "dsq", "--dsq-form", "ste", "--reading", "code"}, {"--reading"});
    for (const char* algo : {"minmax", "dorefa"}) {
        refused_on(x, 2, {"--algo", algo, "--gradient-scale", "2"}, {"--gradient-scale", algo});
    }
    refused_on(x, 2, {"--set", "scale=1", "--calibration", "mse"}, {"--calibration mse", "--set"});
    refused_on(x, 2, {"--set", "scale"}, {"--set", "NAME=NUMBER", "scale"});
    refused_on(x, 2, {"--set", "alpha=3"}, {"alpha", "lsq", "scale, zero_point"});
    refused_on(x, 2, {"--algo", "dorefa", "--set", "scale=3"}, {"dorefa", "none"});
    for (const char* value : {"0", "-0.5", "nan", "inf", "1e60"}) {
        refused_on(x, 2, {"--set", std::string("scale=") + value}, {"--set scale", "number"});
    }
    refused_on(x, 2, {"--set", "scale=half"}, {"scale", "a number or a .npy file", "half"});
    refused_on(x, 2, {"--per-channel", "0", "--set", "scale=" + files.path("negative.npy")},
               {"--set scale", "positive", "-1"});
}

BOOST_AUTO_TEST_CASE(broken_data_are_3) {
    const TemporaryFolder files;
    const auto file = [&](const std::string& name, const Tensor& values) {
        save_npy(files.path(name), values);
        return files.path(name);
    };
    const std::string x = file("x.npy", Tensor::from(kWeights, {3, 4}));
    refused_on(files.path("none.npy"), 3, {}, {"none.npy", "check the path"});
    refused_on(files.file("text.npy", "no array"), 3, {}, {"text.npy", "magic"});
    refused_on(file("i4.npy", Tensor::zeros({2}, DType::I32)), 3, {}, {"i4.npy", "I32", "float32"});
    refused_on(file("empty.npy", Tensor::zeros({0, 3})), 3, {}, {"empty.npy", "[0, 3]"});
    refused_on(file("nan.npy", Tensor::from<float>({1, 2, 3, 4, NAN, 6}, {2, 3})), 3, {},
               {"nan.npy", "[1, 1]", "nan"});
    refused_on(file("large.npy", Tensor::from<double>({1, 1e300}, {2})), 3, {},
               {"large.npy", "[1]", "1e+300"});
    refused_on(x, 3, {"--grad", file("dy.npy", Tensor::zeros({4, 3}))},
               {"dy.npy", "[4, 3]", "[3, 4]"});
    refused_on(x, 3, {"--per-channel", "0", "--set", "scale=" + file("s.npy", vector_of({1, 1}))},
               {"s.npy", "[2]", "1 or 3"});
    refused_on(x, 3, {"--set", "scale=" + files.path("s.npy")}, {"s.npy", "[2]", "takes 1 number"});
    refused_on(x, 1, {"--output", files.file("file", "kept") + "/out"}, {"--output", "file/out"});
    BOOST_TEST(read_bytes(files.path("file")) == "kept");
}

BOOST_AUTO_TEST_SUITE_END()
