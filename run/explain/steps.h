// explain_steps -- the steps of a rule as a table and as JSON; shared by the topics about rules.
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
// Converts a flag's number to float. Error(usage): not positive, or outside 2^-118 to 2^118, where
// products of scales and codes leave float32.
float scale_of_flag(const std::string& flag, double value);
bool is_scale(double value);

// The range of codes in question.
struct QuestionCodes {
    CodeBounds clamp{};      // --qmin and --qmax, else the ends of the hardware's 8-bit activations
    CodeBounds type{};       // of the byte that holds them: [-128, 127] or [0, 255]
    bool symmetric = false;  // the hardware's zero points are 0
};
// Error(usage): the ends are not 8-bit codes, or in the wrong order.
QuestionCodes range_of_flags(int qmin, int qmax, const std::string& hardware);
// Loads codes as I32 from a file of int8, uint8 or int32. Error(data): not 8-bit codes;
// Error(usage): not of the hardware's `type`.
Tensor load_codes(const std::string& path, CodeBounds type, const std::string& hardware);
// Error(usage) if the output codes cannot have the zero point that `flag` gives.
void check_zero_point(const std::string& flag, int32_t zero_point, const QuestionCodes& range,
                      const std::string& hardware);

// Collects the steps of the elements that a topic shows, and all codes.
class StepRecord {
  public:
    // `operands` names the numbers given to add(), the element's index first.
    StepRecord(std::vector<std::string> operands, std::vector<const char*> terms,
               const Shape& shape, int64_t rows);

    // Call in the order of the elements.
    void add(std::initializer_list<int64_t> numbers, const RuleSteps& steps);

    // Writes the codes to `output` unless that is empty. Prints the head and the steps, or as JSON
    // one object that begins with `head`. Returns the exit code.
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
