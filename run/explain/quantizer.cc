#include "run/explain/quantizer.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "io/atomic_file.h"
#include "io/npy.h"
#include "run/console_table.h"
#include "run/explain/quantizer_report.h"
#include "run/explain/staircase.h"
#include "run/explain/svg.h"

namespace gradus {

namespace {

constexpr int64_t kReadableElements = 16;

void make_folder(const std::string& folder) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    check(!error, "cannot make the folder of --output ", folder, ": ", error.message(),
          "; choose another");
}

std::string number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.6g", value);
    return text;
}

void check_gradient_scale(const QuantizerQuestion& question, const QuantizerProbe& probe) {
    const auto& parameters = probe.quantizer.parameters;
    const bool learns = std::any_of(parameters.begin(), parameters.end(),
                                    [](const auto& parameter) { return parameter->trainable; });
    check_kind(question.gradient_scale < 0.0 || learns, ErrorKind::usage, "--gradient-scale ",
               "multiplies the gradients of learned parameters, and ",
               probe.quantizer.algorithm->name, " has none; drop it or name an algorithm that ",
               "learns");
}

// ---- an array --------------------------------------------------------------------------------

struct Clipped {
    int64_t below = 0, above = 0;
};

// Counts inputs on the first or last code that get no gradient.
Clipped count_clipped(const QuantizerProbe& probe, const Tensor& x, const QuantizerAnswer& got) {
    const Quantizer& q = probe.quantizer;
    const Tensor dy = Tensor::full(x.shape(), 1.0f);
    const Tensor dx = q.algorithm->backward(q, probe.grid, x, dy).dx;
    const CodeBounds bounds = bounds_of(probe.grid, q.format);
    Clipped clipped;
    for (int64_t i = 0; i < x.numel(); ++i) {
        if (dx.data<float>()[i] != 0.0f) continue;
        const int32_t code = got.codes.data<int32_t>()[i];
        clipped.below += code <= bounds.lo;
        clipped.above += code >= bounds.hi;
    }
    return clipped;
}

double mean_squared_error(const Tensor& x, const Tensor& x_hat) {
    double sum = 0.0;
    for (int64_t i = 0; i < x.numel(); ++i) {
        const double error = double{x_hat.data<float>()[i]} - x.data<float>()[i];
        sum += error * error;
    }
    return sum / static_cast<double>(x.numel());
}

struct ArrayReport {
    const QuantizerProbe& probe;
    const Tensor& x;
    QuantizerAnswer got;
    Clipped clipped;
    double error;
    int32_t lowest, highest;  // codes that occur
};

ArrayReport report_on(const QuantizerProbe& probe, const Tensor& x, const Tensor& dy) {
    ArrayReport report{probe, x, answer(probe, x, dy), {}, 0.0, 0, 0};
    report.clipped = count_clipped(probe, x, report.got);
    report.error = mean_squared_error(x, report.got.x_hat);
    const int32_t* codes = report.got.codes.data<int32_t>();
    const auto [least, most] = std::minmax_element(codes, codes + x.numel());
    report.lowest = *least;
    report.highest = *most;
    return report;
}

void print_elements(const ArrayReport& report) {
    ConsoleTable table({"element", "x", "code", "x_hat", "gradient"});
    for (int64_t i = 0; i < report.x.numel(); ++i) {
        table.row({std::to_string(i), number(report.x.data<float>()[i]),
                   std::to_string(report.got.codes.data<int32_t>()[i]),
                   number(report.got.x_hat.data<float>()[i]),
                   number(report.got.dx.data<float>()[i])});
    }
    std::cout << '\n';
    table.print(std::cout, stream_is_utf8(1));
}

void print_report(const ArrayReport& report) {
    const auto fact = [](const std::string& title, const std::string& text) {
        print_fact(std::cout, title, text);
    };
    print_quantizer(std::cout, report.probe);
    const CodeBounds bounds = bounds_of(report.probe.grid, report.probe.quantizer.format);
    fact("codes",
         join(report.lowest, " to ", report.highest, " of [", bounds.lo, ", ", bounds.hi, "]"));
    fact("clipped",
         join(count_text(report.clipped.below), " below, ", count_text(report.clipped.above),
              " above, of ", count_text(report.x.numel())));
    fact("mean squared error", number(report.error));
    for (size_t i = 0; i < report.got.parameters.size(); ++i) {
        fact("gradient of " + parameter_name(report.probe, i),
             values_text(report.got.parameters[i]));
    }
    if (report.x.numel() <= kReadableElements) print_elements(report);
}

nlohmann::ordered_json report_json(const ArrayReport& report) {
    nlohmann::ordered_json result = quantizer_json(report.probe);
    result["shape"] = report.x.shape().extents();
    result["lowest_code_used"] = report.lowest;
    result["highest_code_used"] = report.highest;
    result["clipped_below"] = report.clipped.below;
    result["clipped_above"] = report.clipped.above;
    result["mean_squared_error"] = report.error;
    result["gradients"] = nlohmann::ordered_json::object();
    for (size_t i = 0; i < report.got.parameters.size(); ++i) {
        result["gradients"][parameter_name(report.probe, i)] =
            report.got.parameters[i].to_vector<float>();
    }
    return result;
}

// [channels], or [] if one number serves the whole array.
Tensor per_channel(const QuantizerProbe& probe, const Tensor& values) {
    return probe.quantizer.format.per_channel() ? values : values.reshape({});
}

// Removes gradient files of an earlier call: this quantizer may not have their parameters.
void remove_gradients(const std::string& folder) {
    for (const char* name : {"scale", "zero_point", "beta", "alpha", "negative_alpha", "center",
                             "width", "log2_threshold"}) {
        std::filesystem::remove(folder + "/grad_" + name + ".npy");
    }
}

void write_arrays(const std::string& folder, const ArrayReport& report) {
    make_folder(folder);
    remove_gradients(folder);
    const auto write = [&](const std::string& name, const Tensor& values) {
        save_npy(folder + "/" + name + ".npy", values);
    };
    write("x_hat", report.got.x_hat);
    write("codes", report.got.codes);
    write("scale", per_channel(report.probe, report.probe.grid.scale));
    write("zero_point", per_channel(report.probe, zero_point_in_use(report.probe)));
    write("grad_input", report.got.dx);
    for (size_t i = 0; i < report.got.parameters.size(); ++i) {
        write("grad_" + parameter_name(report.probe, i),
              per_channel(report.probe, report.got.parameters[i]));
    }
}

Tensor load_gradient(const std::string& path, const Shape& shape) {
    if (path.empty()) return Tensor::full(shape, 1.0f);
    const Tensor dy = load_finite(path);
    check_kind(dy.shape() == shape, ErrorKind::data, path, ": the gradient's shape ", dy.shape(),
               " is not the input's, ", shape, "; save it in that shape");
    return dy;
}

int explain_array(const QuantizerQuestion& question) {
    const Tensor x = load_finite(question.input);
    const Tensor dy = load_gradient(question.grad, x.shape());
    const QuantizerProbe probe = make_probe(question, x, "from the input");
    check_gradient_scale(question, probe);
    const ArrayReport report = report_on(probe, x, dy);
    if (!question.output.empty()) write_arrays(question.output, report);
    if (question.json) {
        std::cout << report_json(report).dump() << '\n';
        return 0;
    }
    print_report(report);
    if (!question.output.empty()) print_fact(std::cout, "written to", question.output);
    return 0;
}

// ---- the staircase ---------------------------------------------------------------------------

// "by x", "by scale": the variable of the derivative of x_hat, and its place in a GradientPoint.
struct Derivative {
    std::string by;
    size_t parameter;  // 0: x, else 1 + its index

    float of(const GradientPoint& point) const {
        return parameter == 0 ? point.by_x : point.by_parameter[parameter - 1];
    }
};

std::vector<Derivative> derivatives_of(const QuantizerProbe& probe,
                                       const std::vector<Step>& steps) {
    std::vector<Derivative> list{{"x", 0}};
    const size_t learned = steps.front().points.front().by_parameter.size();
    for (size_t i = 0; i < learned; ++i) list.push_back({parameter_name(probe, i), i + 1});
    return list;
}

// "0.5 to -0.5": at the first and the last x of a step; "1.2, 0.7, 1.2": equal at both ends and
// different in the middle.
std::string over_step(const Step& step, const Derivative& derivative) {
    const std::string first = number(derivative.of(step.points.front()));
    const std::string last = number(derivative.of(step.points.back()));
    const std::string middle = number(derivative.of(step.points[step.points.size() / 2]));
    if (first != last) return first + " to " + last;
    return first == middle ? first : first + ", " + middle + ", " + last;
}

void print_steps(const std::vector<Step>& steps, const std::vector<Derivative>& derivatives) {
    std::vector<std::string> header{"code", "from x", "to x", "x_hat"};
    for (const Derivative& derivative : derivatives) header.push_back("d/d " + derivative.by);
    ConsoleTable table(header);
    for (const Step& step : steps) {
        std::vector<std::string> cells{std::to_string(step.code), number(step.from()),
                                       number(step.to()), number(step.x_hat)};
        for (const Derivative& d : derivatives) cells.push_back(over_step(step, d));
        table.row(cells);
    }
    table.print(std::cout, stream_is_utf8(1));
}

nlohmann::ordered_json steps_json(const std::vector<Step>& steps) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const Step& step : steps) {
        list.push_back(
            {{"code", step.code}, {"from", step.from()}, {"to", step.to()}, {"x_hat", step.x_hat}});
    }
    return list;
}

SvgPlot transfer_plot(const std::string& title, const std::vector<Step>& steps) {
    SvgCurve stairs{.name = "x_hat", .stairs = true};
    for (const Step& step : steps) {
        stairs.x.push_back(step.from());
        stairs.y.push_back(step.x_hat);
    }
    stairs.x.push_back(steps.back().to());
    const std::vector<double> ends{stairs.x.front(), stairs.x.back()};
    const SvgCurve same{.name = "x", .x = ends, .y = ends, .reference = true};
    return {title, "x", {{"x_hat", {same, stairs}}}};
}

SvgPlot gradient_plot(const std::string& title, const std::vector<Step>& steps,
                      const std::vector<Derivative>& derivatives) {
    SvgPlot plot{title + ": gradient", "x", {}};
    for (const Derivative& derivative : derivatives) {
        SvgCurve curve{.name = ""};
        for (const Step& step : steps) {
            for (const GradientPoint& point : step.points) {
                curve.x.push_back(point.x);
                curve.y.push_back(derivative.of(point));
            }
        }
        plot.panels.push_back({"d x_hat / d " + derivative.by, {curve}});
    }
    return plot;
}

// Parameters' gradients of single elements: removes the gradient scale, which counts elements.
QuantizerQuestion without_gradient_scale(QuantizerQuestion question) {
    if (question.gradient_scale < 0.0) question.gradient_scale = 1.0;
    return question;
}

int explain_staircase(const QuantizerQuestion& asked) {
    check_kind(asked.grad.empty(), ErrorKind::usage, "--grad needs the --input that it belongs to");
    check_kind(asked.channel_axis == QuantizerQuestion::per_tensor, ErrorKind::usage,
               "--per-channel needs an --input; the staircase is that of one channel");
    const QuantizerQuestion question = without_gradient_scale(asked);
    const Tensor first = standard_ramp(question);
    const std::string source = join("from a ramp, ", first.data<float>()[0], " to 1");
    const QuantizerProbe probe = make_probe(question, first, source);
    check_gradient_scale(asked, probe);
    const std::vector<Step> steps = staircase(probe, ramp_for(probe, first));
    const std::vector<Derivative> derivatives = derivatives_of(probe, steps);
    if (!question.output.empty()) {
        make_folder(question.output);
        const std::string title =
            join(probe.quantizer.algorithm->name, ", ", describe(probe.quantizer.format));
        write_file_atomically(question.output + "/transfer.svg",
                              svg_text(transfer_plot(title, steps)));
        write_file_atomically(question.output + "/gradient.svg",
                              svg_text(gradient_plot(title, steps, derivatives)));
    }
    if (question.json) {
        nlohmann::ordered_json result = quantizer_json(probe);
        result["steps"] = steps_json(steps);
        std::cout << result.dump() << '\n';
        return 0;
    }
    print_quantizer(std::cout, probe);
    if (asked.gradient_scale < 0.0 && derivatives.size() > 1) {
        print_fact(std::cout, "note",
                   "derivatives are those of single elements, without gradient scale");
    }
    std::cout << '\n';
    print_steps(steps, derivatives);
    if (!question.output.empty()) print_fact(std::cout, "written to", question.output);
    return 0;
}

}  // namespace

int explain_quantizer(const QuantizerQuestion& question) {
    if (!question.answer.empty()) {
        std::cout << question.answer;
        return 0;
    }
    return question.input.empty() ? explain_staircase(question) : explain_array(question);
}

}  // namespace gradus
