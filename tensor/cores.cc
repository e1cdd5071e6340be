#include "tensor/cores.h"

#include <sched.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

namespace gradus {

namespace {

// A hierarchy of control groups that limits CPU time, as mountinfo and cgroup describe it.
struct Hierarchy {
    bool second = false;  // version 2
    std::string folder;   // where it is mounted
    std::string top;      // the group that is visible there
};

bool has_item(const std::string& list, const std::string& item) {
    std::istringstream items(list);
    for (std::string one; std::getline(items, one, ',');) {
        if (one == item) return true;
    }
    return false;
}

// Lines of mountinfo: id parent device TOP FOLDER options... - TYPE source SUPEROPTIONS
std::vector<Hierarchy> hierarchies(const std::string& root) {
    std::vector<Hierarchy> found;
    std::ifstream file(root + "/proc/self/mountinfo");
    for (std::string line; std::getline(file, line);) {
        const size_t dash = line.find(" - ");
        if (dash == std::string::npos) continue;
        std::istringstream place(line), kind(line.substr(dash + 3));
        std::string skipped, type, options;
        Hierarchy h;
        place >> skipped >> skipped >> skipped >> h.top >> h.folder;
        kind >> type >> skipped >> options;
        h.second = type == "cgroup2";
        if (h.second || (type == "cgroup" && has_item(options, "cpu"))) found.push_back(h);
    }
    return found;
}

// Lines of cgroup: number:controllers:GROUP. Version 2 has the number 0 and no controllers.
std::string group_in(const Hierarchy& h, const std::string& root) {
    std::ifstream file(root + "/proc/self/cgroup");
    for (std::string line; std::getline(file, line);) {
        const size_t first = line.find(':');
        const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
        if (second == std::string::npos) continue;
        const std::string controllers = line.substr(first + 1, second - first - 1);
        const bool same = h.second ? controllers.empty() : has_item(controllers, "cpu");
        if (same) return line.substr(second + 1);
    }
    return "/";
}

// "/a/b": the group's path below the mount; "" for the mount itself, also if the group lies outside
// of it, as it may in a container.
std::string below_mount(const Hierarchy& h, const std::string& group) {
    const std::string top = h.top == "/" ? "" : h.top;
    const bool inside = (group + '/').compare(0, top.size() + 1, top + '/') == 0;
    if (!inside || group == "/" || group.find("/..") != std::string::npos) return "";
    return group.substr(top.size());
}

std::optional<int64_t> number_in(const std::string& path) {
    std::ifstream file(path);
    int64_t value = 0;
    if (file >> value) return value;
    return std::nullopt;
}

std::optional<int> cores_of_group(const Hierarchy& h, const std::string& folder) {
    std::optional<int64_t> quota, period;
    if (h.second) {
        std::ifstream file(folder + "/cpu.max");
        int64_t used = 0, of = 0;
        if (file >> used >> of) quota = used, period = of;  // false for "max"
    } else {
        quota = number_in(folder + "/cpu.cfs_quota_us");
        period = number_in(folder + "/cpu.cfs_period_us");
    }
    if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
    const int64_t cores = *quota / *period + (*quota % *period != 0);
    return static_cast<int>(std::clamp<int64_t>(cores, 1, 1 << 20));
}

void take_least(std::optional<int>& least, std::optional<int> cores) {
    if (cores) least = std::min(least.value_or(*cores), *cores);
}

int cores_of_mask() {
    cpu_set_t mask;
    if (sched_getaffinity(0, sizeof mask, &mask) == 0) return CPU_COUNT(&mask);
    return static_cast<int>(std::thread::hardware_concurrency());  // more than a mask can hold
}

}  // namespace

std::optional<int> quota_cores(const std::string& root) {
    std::optional<int> least;
    for (const Hierarchy& h : hierarchies(root)) {
        std::string group = below_mount(h, group_in(h, root));
        take_least(least, cores_of_group(h, root + h.folder));
        for (; !group.empty(); group.erase(group.rfind('/'))) {
            take_least(least, cores_of_group(h, root + h.folder + group));
        }
    }
    return least;
}

int available_cores() {
    static const int cores =
        std::max(1, std::min(cores_of_mask(), quota_cores("").value_or(1 << 20)));
    return cores;
}

}  // namespace gradus
