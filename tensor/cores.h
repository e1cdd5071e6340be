// cores -- the number of CPU cores that this process may keep busy.
//
// The least of its affinity mask and the CPU quotas of its control groups. Containers are limited
// by quotas: a process in a container of 2 cores sees all 64 of the machine in its mask.
#pragma once

#include <optional>
#include <string>

namespace gradus {

// At least 1. Read once: later changes of mask or quota have no effect.
int available_cores();

// The cores that the quotas leave, rounded up, at least 1; empty if no quota is set. Reads
// /proc/self/cgroup, /proc/self/mountinfo and the control groups, version 1 (cpu.cfs_quota_us,
// cpu.cfs_period_us) and 2 (cpu.max), of the process and all their ancestors. Missing or malformed
// files set no quota. `root` precedes every path: "" except in tests. source: Linux,
// Documentation/scheduler/sched-bwc.rst and admin-guide/cgroup-v2.rst; proc(5)
std::optional<int> quota_cores(const std::string& root);

}  // namespace gradus
