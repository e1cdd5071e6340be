// cores -- how many CPU cores this process may keep busy.
//
// The least of its affinity mask and of the CPU quotas of its control groups, which is how
// containers are limited: a process in a container of 2 cores sees all 64 of the machine in its
// mask.
#pragma once

#include <optional>
#include <string>

namespace gradus {

// At least 1. Read once: a mask or a quota that changes later is not seen.
int available_cores();

// The cores that the quotas leave, rounded up, at least 1; nothing where none is set. Read from
// /proc/self/cgroup, /proc/self/mountinfo and the control groups, version 1 (cpu.cfs_quota_us,
// cpu.cfs_period_us) and 2 (cpu.max), of the process and all that they lie in. Files that are
// missing or say something else set no quota. `root` is put in front of every path: "" but in
// tests. source: Linux, Documentation/scheduler/sched-bwc.rst and admin-guide/cgroup-v2.rst;
// proc(5)
std::optional<int> quota_cores(const std::string& root);

}  // namespace gradus
