// operators -- the table that maps an operator's name to its function.
#pragma once

#include <string>
#include <vector>

#include "autograd/variable.h"
#include "nn/graph.h"
#include "tensor/rng.h"

namespace gradus {

// The facts of a run that an operator may read.
struct OpContext {
    const Node& node;
    bool training;  // batch statistics, dropout
    Rng rng;        // of this node in this step
};

struct OperatorRow {
    const char* op;
    // Inputs in the node's order; an absent optional input is undefined.
    Variable (*run)(const OpContext& context, const std::vector<Variable>& inputs);
    const char* exactness;  // "exact" (bit-identical everywhere) or "rounded"
};

// Rows are registered by static objects, before main:
//     const OperatorEntry entry{{"relu", run_relu, "exact"}};
struct OperatorEntry {
    explicit OperatorEntry(const OperatorRow& row);
};

// All rows, by name. Unknown names are an error with the list.
std::vector<OperatorRow> operators();
const OperatorRow& find_operator(const std::string& op);

}  // namespace gradus
