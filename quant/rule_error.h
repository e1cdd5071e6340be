// rule_error -- bounds the distance of a hardware rule from the real number that it rounds.
//
// Every function bounds |v' - v| in output codes: v is the value by real arithmetic on codes and
// scales, v' the rule's value before its last rounding to an integer. If v is further than that
// from every tie, the rule gives the code nearest to v, whatever it does at ties. `mass` is the sum
// of the absolute values of v's terms: it bounds every intermediate float.
//
// source     R1: conversion, multiplier and product, 2^-24 each; Q31 multipliers: 2^-31; the first
//            of R2's two roundings: 2^-(r+1) for a shift by r; the others from their definitions
// exactness  upper bounds
// tests      tests/rule_error_test.cc: every rule against rational arithmetic
#pragma once

#include "quant/average.h"
#include "quant/requantize.h"
#include "quant/residual_add.h"

namespace gradus {

constexpr double kUnitRoundoff = 0x1p-24;  // of a float operation, relative

double requantize_error(RequantizeRule rule, const RequantizeConstants& k, const OutputGrid& y,
                        double mass);

// `a` and `b`: |code - zero point| of the operands.
double add_error(AddRule rule, const AddConstants& k, double a, double b);

// `average`: |mean of the codes - z|; for float_sum the mean of |code - z|.
double average_error(PoolRule rule, const AverageConstants& k, int32_t count, int32_t z,
                     double average);

}  // namespace gradus
