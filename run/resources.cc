#include "run/resources.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <fstream>

namespace gradus {

namespace {

// The text after "<key>...:" in a file of /proc; empty if the key is missing.
std::string proc_entry(const char* path, const std::string& key) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        if (line.rfind(key, 0) != 0) continue;
        const size_t colon = line.find(':');
        if (colon == std::string::npos) continue;
        const size_t text = line.find_first_not_of(" \t", colon + 1);
        return text == std::string::npos ? "" : line.substr(text);
    }
    return "";
}

std::string format_time(const std::tm& time, const char* format) {
    char text[64];
    return std::string(text, std::strftime(text, sizeof text, format, &time));
}

}  // namespace

double Stopwatch::seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

int64_t peak_rss_bytes() {
    // VmHWM can be reset, ru_maxrss cannot; both are in KiB.
    const std::string high = proc_entry("/proc/self/status", "VmHWM");
    if (!high.empty()) return std::stoll(high) * 1024;
    rusage usage = {};
    getrusage(RUSAGE_SELF, &usage);
    return int64_t{usage.ru_maxrss} * 1024;
}

bool reset_peak_rss() {
    std::ofstream file("/proc/self/clear_refs");
    file << "5";  // proc(5): resets VmHWM to the current resident set
    file.flush();
    return file.good();
}

std::string local_time_stamp() {
    const std::time_t now = std::time(nullptr);
    std::tm time = {};
    localtime_r(&now, &time);
    return format_time(time, "%Y%m%d-%H%M%S");
}

std::string utc_time() {
    const std::time_t now = std::time(nullptr);
    std::tm time = {};
    gmtime_r(&now, &time);
    return format_time(time, "%Y-%m-%dT%H:%M:%SZ");
}

Machine describe_machine() {
    Machine machine;
    machine.cpu = proc_entry("/proc/cpuinfo", "model name");
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    const bool known = sched_getaffinity(0, sizeof allowed, &allowed) == 0;
    machine.cores = std::max(1, known ? CPU_COUNT(&allowed) : 1);
    machine.memory_bytes = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
    utsname system = {};
    if (uname(&system) == 0) {
        machine.system = std::string(system.sysname) + " " + system.release + " " + system.machine;
    }
    return machine;
}

}  // namespace gradus
