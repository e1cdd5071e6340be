// progress -- shows the progress of a run: a bar on a terminal, lines elsewhere.
#pragma once

#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

namespace gradus {

struct ProgressSettings {
    bool quiet = false;
    bool bar = false;   // redraw one line; else a line per log_interval steps
    bool utf8 = false;  // block characters, else plain ASCII
    int width = 80;     // columns; 0: ask the terminal, whose size may change
    int log_interval = 50;
    double redraw_seconds = 0.1;
};

// Uses a bar only if stderr is a terminal, without --no-progress, NO_COLOR, CI and TERM=dumb.
ProgressSettings progress_settings(bool quiet, bool no_progress, int log_interval);

// True when the locale of the environment is UTF-8.
bool locale_is_utf8();

// A phase of the run, for the time left: `cost` is the price of one step relative to the other
// phases.
struct ProgressPhase {
    std::string name;
    int epochs = 1;
    int64_t steps_per_epoch = 0;
    double cost = 1.0;
    int64_t max_steps = 0;  // the phase ends after this many steps; 0: no limit
};

struct ProgressStep {
    int epoch = 0;     // from 0
    int64_t step = 0;  // the step just done, within the epoch, from 0
    double loss = 0;   // mean over the epoch so far
    double top1 = 0;   // percent, over the epoch so far
    double lr = 0;
    int64_t images = 0;  // in this step
};

// One thread only. Everything goes to `out` (stderr of the programs).
class Progress {
  public:
    // `now` is a clock in seconds; tests pass their own.
    Progress(std::ostream& out, const ProgressSettings& settings,
             std::function<double()> now = nullptr);
    ~Progress();  // removes an unfinished bar
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    // Sets all phases of the run in order; without a plan the time left is that of the current
    // phase.
    void plan(const std::vector<ProgressPhase>& phases);
    // Starts a phase; `steps_done` of it were done before a resume.
    void begin_phase(const ProgressPhase& phase, int64_t steps_done = 0);
    void step(const ProgressStep& step);
    // Shows `done` of `total` of a phase without a loss (calibration, evaluation).
    void count(const std::string& what, int64_t done, int64_t total);

    // Prints a line that stays (not with --quiet).
    void line(const std::string& text);
    // Prints a line that stays even with --quiet.
    void warn(const std::string& text);
    // Prints a table of printable cells, unchanged (not with --quiet).
    void table(const std::string& lines);
    // Removes the bar, so that others may print.
    void clear();

    double seconds_left() const;  // NaN until known

  private:
    void draw(const std::string& text);
    std::string describe(const ProgressStep& step) const;
    int width() const;
    std::string bar(double fraction, size_t others) const;

    std::ostream& out_;
    ProgressSettings settings_;
    std::function<double()> now_;
    std::vector<ProgressPhase> plan_;
    ProgressPhase phase_;
    double phase_start_ = 0;
    int64_t steps_before_ = 0;  // done before a resume
    int64_t steps_done_ = 0;    // of this phase, including those
    int64_t images_ = 0;        // since the last line or redraw
    double images_since_ = 0;
    double images_per_second_ = 0;
    double last_draw_ = -1e9;
    bool drawn_ = false;
};

// "41s", "3m05s", "2h07m"
std::string duration_text(double seconds);

}  // namespace gradus
