// run_folder -- the folder that documents a run.
//
//   run.json      every option, version, build, machine, seed, hashes of the data
//   config.toml   the same recipe again: ./train --config DIR/config.toml
//   metrics.csv, metrics.jsonl, result.json, and the checkpoints (their writer names them)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "run/train/metrics.h"
#include "run/train/options.h"
#include "run/train/result.h"

namespace gradus {

// Facts known only after parsing. Fill them in as the run learns them, then write_run_json again.
struct RunFacts {
    std::vector<std::string> command;  // argv
    std::string dataset;               // the one that "auto" resolved to
    std::string stem;                  // the one that "auto" resolved to
    int image_size = 0;
    int num_classes = 0;
    int bn_fold = -1;
    int threads = 0;
    std::string device;
    int64_t train_images = 0;
    int64_t test_images = 0;
    std::vector<std::pair<std::string, std::string>> data_sha256;  // file, hash
    std::optional<int64_t> parameters;
    std::optional<int64_t> float_nodes;
};

// Keeps other processes out of a folder; released when the process ends in any way.
class FolderLock {
  public:
    explicit FolderLock(const std::string& path);
    ~FolderLock();
    FolderLock(const FolderLock&) = delete;
    FolderLock& operator=(const FolderLock&) = delete;
    bool held() const { return descriptor_ >= 0; }

  private:
    int descriptor_ = -1;
};

// Checks that the run folder can be used or created, without creating it. Throws the same errors as
// RunFolder, except for a folder in use.
void check_run_folder(const Options& options);

// True if `path` is one of the files that a run in `folder` consists of.
bool belongs_to_run(const std::string& path, const std::string& folder);

class RunFolder {
  public:
    // Makes the folder (--output, or runs/<time>-<model>-<algo>-<hardware> with the link
    // runs/latest) and writes config.toml; with options.resume, reopens that run. Error(usage): the
    // folder holds another run, or is in use by a running one; Error(runtime): it cannot be
    // written.
    explicit RunFolder(const Options& options);

    const std::string& path() const { return path_; }
    std::string file(const std::string& name) const { return path_ + "/" + name; }
    bool resumed() const { return resumed_; }
    std::string resume_command() const;  // ./train --resume DIR

    Metrics& metrics() { return metrics_; }
    // The hashes of the data in run.json; empty if it is missing or unreadable.
    std::vector<std::pair<std::string, std::string>> recorded_data_sha256() const;
    void write_run_json(const Options& options, const RunFacts& facts);
    void write_result(const Result& result);  // marks the run as finished

  private:
    std::string path_;
    std::string started_;
    bool resumed_ = false;
    std::optional<FolderLock> lock_;
    Metrics metrics_;
};

// The newest run below `root` that has a config.toml, no result.json and no running process; empty
// if there is none.
std::string find_unfinished_run(const std::string& root);

}  // namespace gradus
