#include "run/explain/steps.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>

#include "io/npy.h"
#include "quant/hardware.h"
#include "run/console_table.h"
#include "run/explain/quantizer_report.h"
#include "run/explain/questions.h"
#include "run/output_path.h"

namespace gradus {

namespace {

// "tie, clamped"
std::string note(const RuleSteps& steps) {
    const bool clamped = steps.below() || steps.above();
    return join(steps.tie ? "tie" : "", steps.tie && clamped ? ", " : "", clamped ? "clamped" : "");
}

// Turns a column name, "before rounding", into a JSON key, before_rounding.
std::string key_of(std::string name) {
    for (char& c : name) c = c == ' ' || c == '-' || c == '+' ? '_' : c;
    return name;
}

}  // namespace

std::string digits_text(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.12g", value);
    return text;
}

std::string bits_text(float value) {
    char text[40];
    std::snprintf(text, sizeof text, " (%a)", static_cast<double>(value));
    return float_text(value) + text;
}

std::string q31_text(Q31 m) {
    return join(digits_text(ldexp(static_cast<double>(m.value), m.exponent - 31)), " (", m.value,
                " in Q31, shift ", m.exponent, ")");
}

bool is_scale(double value) {
    return value >= 0x1p-118 && value <= 0x1p118;
}

float scale_of_flag(const std::string& flag, double value) {
    check_kind(is_scale(value), ErrorKind::usage, flag,
               " takes a positive number from 3e-36 to 3e+35, where products stay in float32; got ",
               value);
    return static_cast<float>(value);
}

QuestionCodes range_of_flags(int qmin, int qmax, const std::string& hardware) {
    QuestionCodes range{{qmin, qmax}};
    if (!hardware.empty()) {
        QuantFormat format = find_hardware(hardware).activation;
        format.bits = 8;
        if (qmin == kUnsetCode) range.clamp.lo = format.qmin();
        if (qmax == kUnsetCode) range.clamp.hi = format.qmax();
        range.type = {format.qmin(), format.qmax()};
        range.symmetric = format.symmetric;
    }
    const auto [lo, hi] = range.clamp;
    check_kind(lo < hi, ErrorKind::usage, "--qmin ", lo, " must be below --qmax ", hi);
    const bool fits = lo >= range.type.lo && hi <= range.type.hi;
    if (hardware.empty() || fits) return range;
    range.type = range.type.lo < 0 ? CodeBounds{0, 255} : CodeBounds{-128, 127};
    check_kind(lo >= range.type.lo && hi <= range.type.hi, ErrorKind::usage, "--hardware ",
               hardware, " has codes of 8 bits, and [", lo, ", ", hi, "] lies neither in ",
               "[-128, 127] nor in [0, 255]; give --qmin and --qmax of one of them");
    return range;
}

Tensor load_codes(const std::string& path, CodeBounds type, const std::string& hardware) {
    const Tensor stored = load_npy(path);
    const DType dtype = stored.dtype();
    check_kind(dtype == DType::I8 || dtype == DType::U8 || dtype == DType::I32, ErrorKind::data,
               path, ": codes are int8, uint8 or int32; holds ", dtype, "; save it as one of them");
    check_kind(stored.numel() > 0, ErrorKind::data, path, ": an array of shape ", stored.shape(),
               " holds no value; save one of at least one");
    Tensor codes = Tensor::empty(stored.shape(), DType::I32);
    int32_t* q = codes.data<int32_t>();
    for (int64_t i = 0; i < codes.numel(); ++i) {
        q[i] = dtype == DType::I8   ? stored.data<int8_t>()[i]
               : dtype == DType::U8 ? stored.data<uint8_t>()[i]
                                    : stored.data<int32_t>()[i];
    }
    const auto [least, most] = std::minmax_element(q, q + codes.numel());
    const bool fits = *least < 0 ? *least >= -128 && *most <= 127 : *most <= 255;
    check_kind(fits, ErrorKind::data, path, ": codes from ", *least, " to ", *most,
               "; 8 bits hold -128 to 127 or 0 to 255; save codes of one of them");
    check_kind(*least >= type.lo && *most <= type.hi, ErrorKind::usage, path, ": codes from ",
               *least, " to ", *most, ", and those of ", hardware, " are [", type.lo, ", ", type.hi,
               "] here; give --qmin and --qmax of other codes, or another --hardware");
    return codes;
}

void check_zero_point(const std::string& flag, int32_t zero_point, const QuestionCodes& range,
                      const std::string& hardware) {
    const auto [lo, hi] = range.clamp;
    check_kind(zero_point == 0 || !range.symmetric, ErrorKind::usage, flag, ": the codes of ",
               hardware, " are symmetric, their zero points are 0; got ", zero_point,
               "; drop it or name another --hardware");
    check_kind(zero_point >= lo && zero_point <= hi, ErrorKind::usage, flag, ": ", zero_point,
               " is none of the codes [", lo, ", ", hi, "]; choose one of them, or other --qmin ",
               "and --qmax");
}

StepRecord::StepRecord(std::vector<std::string> operands, std::vector<const char*> terms,
                       const Shape& shape, int64_t rows)
    : operands_(std::move(operands)),
      terms_(std::move(terms)),
      rows_(static_cast<size_t>(rows)),
      codes_(Tensor::empty(shape, DType::I32)) {}

void StepRecord::add(std::initializer_list<int64_t> numbers, const RuleSteps& steps) {
    codes_.data<int32_t>()[n_++] = steps.code;
    below_ += steps.below();
    above_ += steps.above();
    ties_ += steps.tie;
    if (steps_.size() >= rows_) return;
    numbers_.emplace_back(numbers);
    steps_.push_back(steps);
}

std::vector<std::string> StepRecord::cells_of(size_t row) const {
    const RuleSteps& steps = steps_[row];
    std::vector<std::string> cells;
    for (int64_t number : numbers_[row]) cells.push_back(std::to_string(number));
    for (double term : steps.terms) cells.push_back(digits_text(term));
    cells.insert(cells.end(),
                 {digits_text(steps.value), std::to_string(steps.rounded),
                  std::to_string(steps.with_zero), std::to_string(steps.code), note(steps)});
    return cells;
}

nlohmann::ordered_json StepRecord::element_json(size_t row) const {
    const RuleSteps& steps = steps_[row];
    nlohmann::ordered_json element;
    for (size_t o = 0; o < operands_.size(); ++o) {
        element[key_of(operands_[o])] = numbers_[row][o];
    }
    for (size_t t = 0; t < terms_.size(); ++t) element[key_of(terms_[t])] = steps.terms[t];
    element["before_rounding"] = steps.value;
    element["tie"] = steps.tie;
    element["rounded"] = steps.rounded;
    element["with_zero_point"] = steps.with_zero;
    element["code"] = steps.code;
    element["clamped"] = steps.below() || steps.above();
    return element;
}

void StepRecord::print() const {
    print_fact(std::cout, "elements", count_text(n_));
    print_fact(std::cout, "saturated",
               join(count_text(below_), " below, ", count_text(above_), " above"));
    print_fact(std::cout, "on a tie", count_text(ties_));
    if (steps_.empty()) return;
    std::vector<std::string> header = operands_;
    header.insert(header.end(), terms_.begin(), terms_.end());
    header.insert(header.end(), {"before rounding", "rounded", "with zero point", "code", "note"});
    ConsoleTable table(header);
    for (size_t row = 0; row < steps_.size(); ++row) table.row(cells_of(row));
    std::cout << '\n';
    table.print(std::cout, stream_is_utf8(1));
}

int StepRecord::finish(const std::string& output, bool json, const nlohmann::ordered_json& head,
                       const std::function<void()>& print_head) const {
    if (!output.empty()) {
        make_parent_folders(output);
        save_npy(output, codes_);
    }
    if (!json) {
        print_head();
        print();
        if (!output.empty()) print_fact(std::cout, "written to", output);
        return 0;
    }
    nlohmann::ordered_json result = head;
    result["n"] = n_;
    result["saturated_below"] = below_;
    result["saturated_above"] = above_;
    result["ties"] = ties_;
    result["elements"] = nlohmann::ordered_json::array();
    for (size_t row = 0; row < steps_.size(); ++row) {
        result["elements"].push_back(element_json(row));
    }
    std::cout << result.dump() << '\n';
    return 0;
}

}  // namespace gradus
