#include "run/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "run/printable.h"

namespace gradus {

namespace {

bool is_set(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0';
}

int terminal_width() {
    winsize size = {};
    const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return known ? size.ws_col : 80;
}

double steady_seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

template <class... Values>
std::string print(const char* format, Values... values) {
    char text[160];
    std::snprintf(text, sizeof text, format, values...);
    return text;
}

double phase_units(const ProgressPhase& phase) {
    int64_t steps = phase.epochs * phase.steps_per_epoch;
    if (phase.max_steps > 0) steps = std::min(steps, phase.max_steps);
    return phase.cost * static_cast<double>(steps);
}

// The first `columns` characters; never cuts a UTF-8 character.
std::string fitted(const std::string& text, int columns) {
    size_t end = 0;
    for (int column = 0; end < text.size(); ++end) {
        const bool starts = (static_cast<unsigned char>(text[end]) & 0xc0) != 0x80;
        if (starts && ++column > columns) break;
    }
    return text.substr(0, end);
}

}  // namespace

bool locale_is_utf8() {
    for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
        if (!is_set(name)) continue;
        const std::string value = std::getenv(name);
        return value.find("UTF-8") != std::string::npos || value.find("utf8") != std::string::npos;
    }
    return false;
}

ProgressSettings progress_settings(bool quiet, bool no_progress, int log_interval) {
    ProgressSettings settings;
    const char* term = std::getenv("TERM");
    const bool dumb = term == nullptr || std::strcmp(term, "dumb") == 0;
    settings.quiet = quiet;
    settings.bar =
        isatty(STDERR_FILENO) == 1 && !no_progress && !dumb && !is_set("NO_COLOR") && !is_set("CI");
    settings.utf8 = locale_is_utf8();
    settings.width = 0;
    settings.log_interval = log_interval;
    return settings;
}

std::string duration_text(double seconds) {
    if (!std::isfinite(seconds) || seconds < 0) return "?";
    const auto total = static_cast<long>(seconds + 0.5);
    if (total < 60) return print("%lds", total);
    if (total < 3600) return print("%ldm%02lds", total / 60, total % 60);
    return print("%ldh%02ldm", total / 3600, total / 60 % 60);
}

Progress::Progress(std::ostream& out, const ProgressSettings& settings, std::function<double()> now)
    : out_(out), settings_(settings), now_(now ? std::move(now) : steady_seconds) {}

Progress::~Progress() {
    clear();
}

void Progress::plan(const std::vector<ProgressPhase>& phases) {
    plan_ = phases;
}

void Progress::begin_phase(const ProgressPhase& phase, int64_t steps_done) {
    phase_ = phase;
    phase_start_ = now_();
    steps_before_ = steps_done;
    steps_done_ = steps_done;
    images_ = 0;
    images_since_ = phase_start_;
    images_per_second_ = 0;
}

double Progress::seconds_left() const {
    const int64_t fresh = steps_done_ - steps_before_;
    const double elapsed = now_() - phase_start_;
    if (fresh <= 0 || elapsed <= 0 || phase_.cost <= 0) return NAN;
    const double seconds_per_unit = elapsed / (static_cast<double>(fresh) * phase_.cost);
    double units = phase_units(phase_) - static_cast<double>(steps_done_) * phase_.cost;
    bool behind = false;
    for (const ProgressPhase& phase : plan_) {
        if (behind) units += phase_units(phase);
        behind = behind || phase.name == phase_.name;
    }
    return std::max(0.0, units * seconds_per_unit);
}

void Progress::step(const ProgressStep& step) {
    steps_done_ = step.epoch * phase_.steps_per_epoch + step.step + 1;
    images_ += step.images;
    if (settings_.quiet) return;
    const double now = now_();
    const bool epoch_ends = step.step + 1 == phase_.steps_per_epoch;
    const bool due = settings_.bar ? now - last_draw_ >= settings_.redraw_seconds
                                   : (step.step + 1) % settings_.log_interval == 0 || epoch_ends;
    if (!due) return;
    // A rate over less than a quarter of a second would flicker.
    if (now - images_since_ >= 0.25 || (!settings_.bar && now > images_since_)) {
        images_per_second_ = static_cast<double>(images_) / (now - images_since_);
        images_ = 0;
        images_since_ = now;
    }
    if (settings_.bar) {
        draw(describe(step));
    } else {
        line(describe(step));
    }
}

int Progress::width() const {
    return settings_.width > 0 ? settings_.width : terminal_width();
}

// `others`: columns that the rest of the line needs.
std::string Progress::bar(double fraction, size_t others) const {
    const int cells = std::clamp(width() - 3 - static_cast<int>(others), 4, 24);
    const int full = std::clamp(static_cast<int>(fraction * cells), 0, cells);
    std::string text = settings_.utf8 ? "▕" : "[";
    for (int i = 0; i < cells; ++i) {
        text += i < full ? (settings_.utf8 ? "█" : "#") : (settings_.utf8 ? " " : ".");
    }
    return text + (settings_.utf8 ? "▏" : "]");
}

std::string Progress::describe(const ProgressStep& step) const {
    const double total = static_cast<double>(std::max<int64_t>(1, phase_.steps_per_epoch));
    const double fraction = static_cast<double>(step.step + 1) / total;
    const std::string head = print("%s %d/%d ", phase_.name.c_str(), step.epoch + 1, phase_.epochs);
    std::string tail = print(" loss %.3f top1 %.1f lr %.1e", step.loss, step.top1, step.lr);
    if (images_per_second_ > 0) tail += print(" %.0f img/s", images_per_second_);
    const double left = seconds_left();
    if (std::isfinite(left)) tail += " " + duration_text(left) + " left";
    if (settings_.bar) {
        tail = print(" %.0f%%", std::floor(100 * fraction)) + tail;
        return head + bar(fraction, head.size() + tail.size()) + tail;
    }
    return head +
           print("[%ld/%ld]", static_cast<long>(step.step + 1),
                 static_cast<long>(phase_.steps_per_epoch)) +
           tail;
}

void Progress::count(const std::string& what, int64_t done, int64_t total) {
    if (settings_.quiet) return;
    const bool last = done >= total;
    if (!settings_.bar || last) {
        // Without a bar the caller's own line is enough.
        clear();
        return;
    }
    if (now_() - last_draw_ < settings_.redraw_seconds) return;
    const double fraction = static_cast<double>(done) / static_cast<double>(total);
    const std::string tail = print(" %.0f%%", std::floor(100 * fraction));
    draw(what + " " + bar(fraction, what.size() + 1 + tail.size()) + tail);
}

void Progress::draw(const std::string& text) {
    last_draw_ = now_();
    drawn_ = true;
    // Moves to the start of the line, prints the text, and erases the rest.
    out_ << '\r' << fitted(text, width() - 1) << "\x1b[K" << std::flush;
}

void Progress::clear() {
    if (!drawn_) return;
    out_ << "\r\x1b[K" << std::flush;
    drawn_ = false;
}

void Progress::line(const std::string& text) {
    if (!settings_.quiet) warn(text);
}

void Progress::warn(const std::string& text) {
    clear();
    out_ << printable(text) << std::endl;
}

void Progress::table(const std::string& lines) {
    if (settings_.quiet) return;
    clear();
    out_ << lines << std::endl;
}

}  // namespace gradus
