// train_process -- runs ./train, or another program, as a process, on small data.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "tests/files.h"

namespace gradus {

struct ProcessOutcome {
    int code = 0;  // exit code; -signal if one ended it
    std::string out, err;
};

// A program next to this test program, built from the same objects.
inline std::string program_path(const std::string& name) {
    const auto path = std::filesystem::read_symlink("/proc/self/exe").parent_path() / name;
    check(std::filesystem::exists(path), "test: ", path.string(), " is missing; `make` builds it");
    return path.string();
}

class TrainProcess {
  public:
    // Files may grow to `file_limit` bytes; 0: no limit. Captures the output in a folder of its
    // own.
    explicit TrainProcess(const std::vector<std::string>& arguments, rlim_t file_limit = 0,
                          const std::string& program = "train") {
        std::vector<std::string> texts{program_path(program)};
        texts.insert(texts.end(), arguments.begin(), arguments.end());
        std::vector<char*> argv;
        for (std::string& text : texts) argv.push_back(text.data());
        argv.push_back(nullptr);
        const std::string out = texts_.file("out", ""), err = texts_.file("err", "");
        child_ = fork();
        if (child_ == 0) {
            dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
            dup2(open(out.c_str(), O_WRONLY), STDOUT_FILENO);
            dup2(open(err.c_str(), O_WRONLY), STDERR_FILENO);
            const rlimit limit{file_limit, file_limit};
            if (file_limit > 0) setrlimit(RLIMIT_FSIZE, &limit);
            execv(argv[0], argv.data());
            _exit(127);
        }
        check(child_ > 0, "test: no process could be made");
    }
    ~TrainProcess() {
        if (child_ <= 0) return;
        kill(child_, SIGKILL);
        waitpid(child_, nullptr, 0);
    }
    TrainProcess(const TrainProcess&) = delete;
    TrainProcess& operator=(const TrainProcess&) = delete;

    void send(int signal) const { kill(child_, signal); }

    // Waits until `text` is on stderr; false if the process ends without it.
    bool wait_for(const std::string& text) const {
        for (;;) {
            siginfo_t info{};
            waitid(P_PID, child_, &info, WEXITED | WNOHANG | WNOWAIT);
            if (read_bytes(texts_.path("err")).find(text) != std::string::npos) return true;
            if (info.si_pid != 0) return false;
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    }

    ProcessOutcome wait() {
        int status = 0;
        waitpid(child_, &status, 0);
        child_ = 0;
        return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status),
                read_bytes(texts_.path("out")), read_bytes(texts_.path("err"))};
    }

  private:
    TemporaryFolder texts_;
    pid_t child_ = 0;
};

inline ProcessOutcome run_train(const std::vector<std::string>& arguments, rlim_t file_limit = 0) {
    return TrainProcess(arguments, file_limit).wait();
}

inline ProcessOutcome run_deploy(const std::vector<std::string>& arguments) {
    return TrainProcess(arguments, 0, "deploy").wait();
}

inline ProcessOutcome run_explain(const std::vector<std::string>& arguments) {
    return TrainProcess(arguments, 0, "explain").wait();
}

using Arguments = std::vector<std::string>;

// Checks a refusal: exit `code`, nothing on stdout, and exactly one line on stderr that contains
// every part.
inline void check_one_line_error(std::string command, const Arguments& arguments,
                                 const ProcessOutcome& end, int code,
                                 const std::vector<std::string>& parts) {
    for (const std::string& argument : arguments) command += " " + argument;
    BOOST_TEST_CONTEXT(command) {
        BOOST_TEST(end.code == code);
        BOOST_TEST(end.out == "");
        BOOST_TEST(end.err.rfind("error: ", 0) == 0, end.err);
        BOOST_TEST(end.err.find('\n') == end.err.size() - 1, end.err);
        for (const std::string& part : parts) {
            BOOST_TEST(end.err.find(part) != std::string::npos, part << " is not in " << end.err);
        }
    }
}

// One of the four files of a data set in IDX: `count` images of side x side, or labels (side 0).
inline std::string idx_file(int count, int side, int highest_label = 9) {
    std::string bytes{'\0', '\0', '\x08', side > 0 ? '\x03' : '\x01'};
    const auto extent = [&](int n) { bytes += {'\0', '\0', char(n >> 8), char(n)}; };
    extent(count);
    if (side > 0) extent(side), extent(side);
    for (int i = 0; i < count; ++i) {
        if (side == 0) bytes += static_cast<char>(i % (highest_label + 1));
        for (int p = 0; p < side * side; ++p) {  // stripes whose period and phase are the class
            const int class_index = i % 10;
            bytes += static_cast<char>((p * (class_index + 3) + i * 7) % 256);
        }
    }
    return bytes;
}

// 48 training and 30 test images of 8 x 8, for --dataset mnist --data-path.
inline std::string write_tiny_data(const TemporaryFolder& folder) {
    folder.file("train-images-idx3-ubyte", idx_file(48, 8));
    folder.file("train-labels-idx1-ubyte", idx_file(48, 0));
    folder.file("t10k-images-idx3-ubyte", idx_file(30, 8));
    folder.file("t10k-labels-idx1-ubyte", idx_file(30, 0));
    return folder.path("");
}

}  // namespace gradus
