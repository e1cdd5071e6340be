// explain_steps -- the steps of a rule as a table and as JSON; what the topics about rules share.
#pragma once

#include <functional>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "quant/rule_steps.h"
#include "tensor/tensor.h"

namespace gradus {

// "64.5000038147": 12 digits, enough to see on which side of a tie a value lies.
std::string digits_text(double value);
// "3.8146973e-06 (0x1p-18)": the shortest text that reads back, and every bit.
std::string bits_text(float value);
// "0.25 (1073741824 in Q31, shift -1)"
std::string q31_text(Q31 m);
// The float that a flag's number is. Error(usage): it is not positive, or beyond 2^-118 to 2^118,
// where the products of scales and codes leave float32.
float scale_of_flag(const std::string& flag, double value);
bool is_scale(double value);

// The codes that a question is about.
struct QuestionCodes {
    CodeBounds clamp{};      // --qmin and --qmax, else the ends of the hardware's 8-bit activations
    CodeBounds type{};       // of the byte that holds them: [-128, 127] or [0, 255]
    bool symmetric = false;  // the hardware's zero points are 0
};
// Error(usage): the ends are no codes of 8 bits, or the wrong way round.
QuestionCodes range_of_flags(int qmin, int qmax, const std::string& hardware);
// I32 codes from a file of int8, uint8 or int32. Error(data): they have no 8 bits; Error(usage):
// they are none of `type`, the hardware's.
Tensor load_codes(const std::string& path, CodeBounds type, const std::string& hardware);
// Error(usage) if the codes that come out cannot have the zero point that `flag` names.
void check_zero_point(const std::string& flag, int32_t zero_point, const QuestionCodes& range,
                      const std::string& hardware);

// The steps of the elements that a topic shows, and their codes.
class StepRecord {
  public:
    // `operands` has a name for each number that add() is given, the element's index first.
    StepRecord(std::vector<std::string> operands, std::vector<const char*> terms,
               const Shape& shape, int64_t rows);

    // In the order of the elements.
    void add(std::initializer_list<int64_t> numbers, const RuleSteps& steps);

    // Writes the codes to `output` unless that is empty. Then prints the head and the steps, or as
    // JSON one object that begins with `head`. The exit code.
    int finish(const std::string& output, bool json, const nlohmann::ordered_json& head,
               const std::function<void()>& print_head) const;

  private:
    std::vector<std::string> cells_of(size_t row) const;
    nlohmann::ordered_json element_json(size_t row) const;
    void print() const;

    std::vector<std::string> operands_;
    std::vector<const char*> terms_;
    size_t rows_;
    std::vector<std::vector<int64_t>> numbers_;  // of the first elements
    std::vector<RuleSteps> steps_;
    Tensor codes_;
    int64_t n_ = 0, below_ = 0, above_ = 0, ties_ = 0;  // of all
};

}  // namespace gradus
