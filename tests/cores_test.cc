// cores, run/threads -- quotas of control groups on machines and in containers, and the programs'
// warning about more threads than that.
#include "tensor/cores.h"

#include <sched.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <map>
#include <string>

#include "tests/train_process.h"

using namespace gradus;

namespace {

using Files = std::map<std::string, std::string>;  // path, text

std::optional<int> cores_with(const Files& files) {
    const TemporaryFolder root;
    for (const auto& [path, text] : files) {
        std::filesystem::create_directories(std::filesystem::path(root.path(path)).parent_path());
        root.file(path, text);
    }
    return quota_cores(root.path(""));
}

// Version 1: `top` is the group that is visible at the mount point.
std::optional<int> first(const std::string& top, const std::string& group, Files files) {
    files["proc/self/mountinfo"] =
        "31 23 0:28 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755\n"
        "32 31 0:29 " +
        top +
        " /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
        "33 31 0:30 " +
        top + " /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n";
    files["proc/self/cgroup"] = "5:cpuset:/elsewhere\n4:cpu,cpuacct:" + group + "\n0::/\n";
    return cores_with(files);
}

std::optional<int> second(const std::string& top, const std::string& group, Files files) {
    files["proc/self/mountinfo"] =
        "31 23 0:28 " + top + " /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
    files["proc/self/cgroup"] = "0::" + group + "\n";
    return cores_with(files);
}

// The files of one group of version 1 or 2.
Files quota(const std::string& group, const std::string& used, const std::string& period) {
    const std::string folder = "sys/fs/cgroup/cpu,cpuacct" + group;
    return {{folder + "/cpu.cfs_quota_us", used + "\n"},
            {folder + "/cpu.cfs_period_us", period + "\n"}};
}
Files limit(const std::string& group, const std::string& text) {
    return {{"sys/fs/cgroup" + group + "/cpu.max", text + "\n"}};
}
Files operator+(Files a, const Files& b) {
    a.insert(b.begin(), b.end());
    return a;
}

int cores_of_mask() {
    cpu_set_t mask;
    return sched_getaffinity(0, sizeof mask, &mask) == 0 ? CPU_COUNT(&mask) : 1 << 20;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(cores, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(a_quota_of_version_1_is_rounded_up) {
    BOOST_CHECK(first("/", "/", quota("", "-1", "100000")) == std::nullopt);
    BOOST_CHECK(first("/", "/", quota("", "100000", "100000")) == 1);
    BOOST_CHECK(first("/", "/", quota("", "100001", "100000")) == 2);
    BOOST_CHECK(first("/", "/", quota("", "150000", "50000")) == 3);
    BOOST_CHECK(first("/", "/", quota("", "1000", "100000")) == 1);
    BOOST_CHECK(first("/", "/", quota("", "100000", "0")) == std::nullopt);
    BOOST_CHECK(first("/", "/", {}) == std::nullopt);
}

BOOST_AUTO_TEST_CASE(a_quota_of_version_2_is_rounded_up) {
    BOOST_CHECK(second("/", "/", limit("", "max 100000")) == std::nullopt);
    BOOST_CHECK(second("/", "/", limit("", "max")) == std::nullopt);
    BOOST_CHECK(second("/", "/", limit("", "200000 100000")) == 2);
    BOOST_CHECK(second("/", "/", limit("", "250000 100000")) == 3);
    BOOST_CHECK(second("/", "/", {}) == std::nullopt);
}

// Systemd's slices: the least of the group and all its ancestors.
BOOST_AUTO_TEST_CASE(the_groups_around_limit_too) {
    const std::string group = "/user.slice/session";
    const Files inner = quota(group, "700000", "100000");
    BOOST_CHECK(first("/", group, inner) == 7);
    BOOST_CHECK(first("/", group, inner + quota("/user.slice", "300000", "100000")) == 3);
    BOOST_CHECK(first("/", group, inner + quota("/user.slice", "900000", "100000")) == 7);
    BOOST_CHECK(first("/", group, inner + quota("/other", "100000", "100000")) == 7);
    BOOST_CHECK(second("/", group, limit(group, "max 100000") + limit("/user.slice", "4 2")) == 2);
    BOOST_CHECK(second("/", group, limit(group, "5 1") + limit("/user.slice", "max 100000")) == 5);
}

// A container without its own name space sees its group at the mount, under the whole name.
BOOST_AUTO_TEST_CASE(a_container_sees_its_group_at_the_mount) {
    BOOST_CHECK(first("/docker/ab", "/docker/ab", quota("", "200000", "100000")) == 2);
    BOOST_CHECK(first("/docker/ab", "/docker/ab/in", quota("/in", "100000", "100000")) == 1);
    BOOST_CHECK(second("/docker/ab", "/docker/ab", limit("", "200000 100000")) == 2);
    // A name with the same prefix only, and a group outside of the mount.
    BOOST_CHECK(first("/docker/a", "/docker/ab", quota("", "200000", "100000")) == 2);
    BOOST_CHECK(second("/", "/../../other", limit("", "200000 100000")) == 2);
}

// Both versions on one machine: the second without the CPU controller.
BOOST_AUTO_TEST_CASE(both_versions_may_be_mounted) {
    Files files = quota("", "300000", "100000");
    files["proc/self/mountinfo"] =
        "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpuacct,cpu\n"
        "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
    files["proc/self/cgroup"] = "4:cpuacct,cpu:/\n0::/unknown\n";
    BOOST_CHECK(cores_with(files) == 3);
    files["sys/fs/cgroup/unified/cpu.max"] = "200000 100000\n";
    BOOST_CHECK(cores_with(files) == 2);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_read_sets_no_quota) {
    BOOST_CHECK(cores_with({}) == std::nullopt);
    Files files{{"proc/self/mountinfo", "32 31\n\nno dash at all\n1 2 - cgroup2\n"},
                {"proc/self/cgroup", "nothing\n0:\n"}};
    BOOST_CHECK(cores_with(files) == std::nullopt);
    BOOST_CHECK(second("/", "not a path", limit("", "some text")) == std::nullopt);
    BOOST_CHECK(second("/", "not a path", limit("", "2 1")) == 2);
}

BOOST_AUTO_TEST_CASE(the_cores_are_those_of_the_mask_and_of_the_quota) {
    const int mask = cores_of_mask();
    BOOST_TEST(available_cores() >= 1);
    BOOST_TEST(available_cores() == std::min(mask, quota_cores("").value_or(mask)));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(cores_of_programs, *boost::unit_test::label("process"))

BOOST_AUTO_TEST_CASE(more_threads_than_cores_are_warned_of_by_every_program) {
    const std::string many = "1024", warning = "warning: --threads 1024: this process may use " +
                                               std::to_string(available_cores()) + " core";
    const TemporaryFolder folder;
    const std::string data = write_tiny_data(folder), run = folder.path("run");
    const auto warned = [&](const ProcessOutcome& end) {
        BOOST_TEST(end.code == 0, end.err);
        BOOST_TEST(end.err.rfind(warning, 0) == 0, end.err);
    };
    warned(
        run_train({"--dataset",    "mnist", "--data-path",          data, "--model",     "resnet20",
                   "--epochs",     "1",     "--float-epochs",       "1",  "--max-steps", "1",
                   "--batch-size", "8",     "--calibration-images", "8",  "--threads",   many,
                   "--output",     run}));
    BOOST_TEST(read_bytes(run + "/run.json").find("\"threads\": 1024") != std::string::npos);
    warned(run_deploy({run, "--images", "8", "--threads", many}));
    const Arguments bench{"--step", "--model", "resnet20", "--image-size", "8", "--batch-size",
                          "4",      "--steps", "1",        "--warmup",     "0", "--threads"};
    const auto run_bench = [&](const std::string& threads) {
        Arguments arguments = bench;
        arguments.push_back(threads);
        return TrainProcess(arguments, 0, "bench").wait();
    };
    warned(run_bench(many));
    BOOST_TEST(run_bench("0").err == "");
    BOOST_TEST(run_bench("1").err == "");
}

BOOST_AUTO_TEST_SUITE_END()
