// program_file -- a Program on disk: one safetensors file, without float weights.
//
// The tensors are the constants, named "<instruction>/<constant>"; the instructions are JSON in the
// file's metadata under "program". The file's own digest detects every changed bit.
#pragma once

#include <string>

#include "integer/program.h"

namespace gradus {

void save_program(const std::string& path, const Program& program);
// Error(data) in one line: file missing, corrupt, or not a program.
Program load_program(const std::string& path);

}  // namespace gradus
