// resources -- time and memory for the reports.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace gradus {

// Seconds since construction, on the monotonic clock.
class Stopwatch {
  public:
    double seconds() const;

  private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

int64_t peak_rss_bytes();        // highest resident set since the start or the last reset
bool reset_peak_rss();           // false if the kernel does not support it
std::string local_time_stamp();  // 20260131-235959
std::string utc_time();          // 2026-01-31T23:59:59Z

struct Machine {
    std::string cpu;
    int cores = 0;  // that this process may use
    int64_t memory_bytes = 0;
    std::string system;  // kernel name, release, architecture
};
Machine describe_machine();

}  // namespace gradus
