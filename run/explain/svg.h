// svg -- curves as SVG: panels one above the other over a common x axis, for light and dark pages.
#pragma once

#include <string>
#include <vector>

namespace gradus {

struct SvgCurve {
    std::string name = {};  // in the legend; empty: none
    std::vector<double> x = {}, y = {};
    bool stairs = false;     // y[i] from x[i] to x[i + 1]; x has one value more
    bool reference = false;  // thin and dashed
};

struct SvgPanel {
    std::string y_label;
    std::vector<SvgCurve> curves;
};

struct SvgPlot {
    std::string title, x_label;
    std::vector<SvgPanel> panels;
};

// A whole file, 800 units wide. Stairs are one H command for each step.
std::string svg_text(const SvgPlot& plot);

// About `count` round numbers (1, 2 or 5 times a power of ten apart) within [low, high].
std::vector<double> round_ticks(double low, double high, int count);

}  // namespace gradus
