#include "run/explain/svg.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "run/console_table.h"
#include "tensor/check.h"

namespace gradus {

namespace {

constexpr double kWidth = 800, kLeft = 80, kRight = 780;  // of the picture, of a panel
constexpr double kTop = 50, kPanelHeight = 280, kPanelGap = 30, kBottom = 60;

// Mid tones that stand out from white and from black; text and axes follow the page's colour scheme
// if it has one.
const char* const kStyle =
    "<style>text{font:13px sans-serif;fill:#767e88}.title{font-size:16px}"
    ".axis{stroke:#767e88;stroke-width:1;fill:none}.grid{stroke:#767e88;stroke-opacity:.25}"
    ".curve{fill:none;stroke-width:1.8;stroke-linejoin:round}"
    ".reference{stroke-width:1;stroke-dasharray:4 4}"
    "@media(prefers-color-scheme:dark){text{fill:#c4ccd4}}"
    "@media(prefers-color-scheme:light){text{fill:#3d454d}}</style>\n";
const char* const kColors[] = {"#2f81f7", "#d9822b", "#2da44e", "#c2459a"};
const char* const kReferenceColor = "#8b939c";

std::string escaped(const std::string& text) {
    std::string result;
    for (char letter : text) {
        if (letter == '&') {
            result += "&amp;";
        } else if (letter == '<') {
            result += "&lt;";
        } else if (letter == '>') {
            result += "&gt;";
        } else {
            result += letter;
        }
    }
    return result;
}

struct Interval {
    double low = std::numeric_limits<double>::infinity();
    double high = -std::numeric_limits<double>::infinity();

    void add(const std::vector<double>& values) {
        for (double v : values) {
            low = std::min(low, v);
            high = std::max(high, v);
        }
    }
    Interval widened(double part) const {
        const double more = high > low ? part * (high - low) : 1.0;
        return {low - more, high + more};
    }
};

Interval x_range(const SvgPlot& plot) {
    Interval range;
    for (const SvgPanel& panel : plot.panels) {
        for (const SvgCurve& curve : panel.curves) range.add(curve.x);
    }
    return range.high > range.low ? range : range.widened(0.0);
}

Interval y_range(const SvgPanel& panel) {
    Interval range;
    for (const SvgCurve& curve : panel.curves) {
        if (!curve.reference) range.add(curve.y);
    }
    return range.widened(0.06);
}

// The position of a panel on the page.
struct Frame {
    Interval x, y;
    double top;

    double bottom() const { return top + kPanelHeight; }
    double at_x(double v) const {
        return kLeft + (v - x.low) / (x.high - x.low) * (kRight - kLeft);
    }
    double at_y(double v) const { return bottom() - (v - y.low) / (y.high - y.low) * kPanelHeight; }
};

std::string px(double v) {
    return fixed_text(v, 2);
}

std::string line(const char* style, double x1, double y1, double x2, double y2) {
    return join("<path class=\"", style, "\" d=\"M", px(x1), " ", px(y1), "L", px(x2), " ", px(y2),
                "\"/>\n");
}

std::string text_at(double x, double y, const char* attributes, const std::string& text) {
    return join("<text x=\"", px(x), "\" y=\"", px(y), "\" ", attributes, ">", escaped(text),
                "</text>\n");
}

// Prints a tick with enough decimals for the distance to the next.
std::string tick_text(double value, double distance) {
    const int digits = std::max(0, static_cast<int>(-std::floor(std::log10(distance) + 1e-9)));
    return digits > 6 || std::fabs(value) >= 1e6 ? join(value) : fixed_text(value, digits);
}

double distance_of(const std::vector<double>& ticks) {
    return ticks.size() > 1 ? ticks[1] - ticks[0] : 1.0;
}

std::string axes(const Frame& frame, const std::string& y_label, bool with_x) {
    std::string svg;
    const std::vector<double> xs = round_ticks(frame.x.low, frame.x.high, 8);
    const std::vector<double> ys = round_ticks(frame.y.low, frame.y.high, 6);
    for (double v : xs) {
        svg += line("grid", frame.at_x(v), frame.top, frame.at_x(v), frame.bottom());
        if (!with_x) continue;
        svg += text_at(frame.at_x(v), frame.bottom() + 18, "text-anchor=\"middle\"",
                       tick_text(v, distance_of(xs)));
    }
    for (double v : ys) {
        svg += line("grid", kLeft, frame.at_y(v), kRight, frame.at_y(v));
        svg += text_at(kLeft - 6, frame.at_y(v) + 4, "text-anchor=\"end\"",
                       tick_text(v, distance_of(ys)));
    }
    svg += line("axis", kLeft, frame.bottom(), kRight, frame.bottom());
    svg += line("axis", kLeft, frame.top, kLeft, frame.bottom());
    const double middle = frame.top + kPanelHeight / 2;
    const std::string turned =
        join("text-anchor=\"middle\" transform=\"rotate(-90 18 ", px(middle), ")\"");
    return svg + text_at(18, middle, turned.c_str(), y_label);
}

std::string path_of(const SvgCurve& curve, const Frame& frame) {
    const auto x = [&](size_t i) { return px(frame.at_x(curve.x[i])); };
    const auto y = [&](size_t i) { return px(frame.at_y(curve.y[i])); };
    std::string path = "M" + x(0) + " " + y(0);
    for (size_t i = 0; i < curve.y.size(); ++i) {
        if (curve.stairs) {
            path += (i > 0 ? "V" + y(i) : "") + "H" + x(i + 1);
        } else if (i > 0) {
            path += "L" + x(i) + " " + y(i);
        }
    }
    return path;
}

std::string curve_path(const char* style, const char* paint, const std::string& path) {
    return join("<path class=\"", style, "\" stroke=\"", paint, "\" d=\"", path, "\"/>\n");
}

std::string curves_of(const SvgPanel& panel, const Frame& frame, size_t& color) {
    std::string svg;
    double legend = frame.top + 18;
    for (const SvgCurve& curve : panel.curves) {
        check(curve.x.size() == curve.y.size() + (curve.stairs ? 1 : 0), "svg: ", curve.x.size(),
              " x and ", curve.y.size(), " y in ", curve.name);
        if (curve.y.empty()) continue;
        const char* const style = curve.reference ? "curve reference" : "curve";
        const char* const paint =
            curve.reference ? kReferenceColor : kColors[color++ % std::size(kColors)];
        svg += curve_path(style, paint, path_of(curve, frame));
        if (curve.name.empty()) continue;
        svg += curve_path(style, paint, join("M", px(kLeft + 12), " ", px(legend - 4), "h24"));
        svg += text_at(kLeft + 42, legend, "", curve.name);
        legend += 18;
    }
    return svg;
}

}  // namespace

std::vector<double> round_ticks(double low, double high, int count) {
    std::vector<double> ticks;
    if (!(high > low)) return ticks;
    const double wanted = (high - low) / count;
    const double power = std::pow(10.0, std::floor(std::log10(wanted)));
    double step = 10.0 * power;
    for (double factor : {5.0, 2.0, 1.0}) {
        if (factor * power >= wanted) step = factor * power;
    }
    for (double k = std::ceil(low / step); k <= std::floor(high / step); k += 1.0) {
        ticks.push_back(k * step + 0.0);  // no -0
    }
    return ticks;
}

std::string svg_text(const SvgPlot& plot) {
    const double count = static_cast<double>(plot.panels.size());
    const double height = kTop + count * kPanelHeight + (count - 1) * kPanelGap + kBottom;
    std::string svg = join("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ", kWidth, " ",
                           height, "\" width=\"", kWidth, "\" height=\"", height, "\">\n<title>",
                           escaped(plot.title), "</title>\n", kStyle);
    svg += text_at(kLeft, 30, "class=\"title\"", plot.title);
    const Interval x = x_range(plot);
    size_t color = 0;
    for (size_t i = 0; i < plot.panels.size(); ++i) {
        const SvgPanel& panel = plot.panels[i];
        const Frame frame{x, y_range(panel),
                          kTop + static_cast<double>(i) * (kPanelHeight + kPanelGap)};
        svg += "<g>\n" + axes(frame, panel.y_label, i + 1 == plot.panels.size());
        svg +=
            join("<clipPath id=\"panel", i, "\"><rect x=\"", kLeft, "\" y=\"", px(frame.top),
                 "\" width=\"", kRight - kLeft, "\" height=\"", kPanelHeight, "\"/></clipPath>\n");
        svg += join("<g clip-path=\"url(#panel", i, ")\">\n", curves_of(panel, frame, color),
                    "</g>\n</g>\n");
    }
    svg += text_at((kLeft + kRight) / 2, height - 14, "text-anchor=\"middle\"", plot.x_label);
    return svg + "</svg>\n";
}

}  // namespace gradus
