#include "run/train/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "io/atomic_file.h"
#include "run/resources.h"
#include "run/shell_word.h"
#include "run/version.h"
#include "tensor/check.h"

namespace gradus {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

const char* const kRoot = "runs";

bool exists(const std::string& path) {
    std::error_code ignored;
    return fs::exists(path, ignored);
}

void make_folder(const std::string& path) {
    std::error_code error;
    fs::create_directories(path, error);
    check(!error && fs::is_directory(path, error), "cannot make the run folder ", path, ": ",
          error ? error.message() : "a file is in the way", "; choose another --output");
}

// Removes "<file>.tmp.<pid>" files of a killed process; safe, as this process holds the lock.
void remove_unfinished_files(const std::string& folder) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
        const bool unfinished = entry.path().filename().string().find(".tmp.") != std::string::npos;
        if (unfinished && entry.is_regular_file(ignored)) fs::remove(entry.path(), ignored);
    }
}

void refuse_finished(const std::string& path) {
    check_kind(!exists(path + "/result.json"), ErrorKind::usage, "the run in ", path,
               " is finished; start a new one");
}

void refuse_taken(const std::string& path) {
    check_kind(!exists(path + "/result.json"), ErrorKind::usage, path,
               " already holds a finished run; choose another --output");
    check_kind(!exists(path + "/config.toml") && !exists(path + "/run.json"), ErrorKind::usage,
               path, " already holds a run; resume it with --resume ", shell_word(path),
               " or choose another --output");
}

// runs/<time>-<names>, with a number after it if two runs begin in the same second.
std::string make_default_folder(const Options& o) {
    make_folder(kRoot);
    const std::string stem =
        join(kRoot, "/", local_time_stamp(), "-", o.model, "-", o.algo, "-", o.hardware);
    std::string path = stem;
    for (int i = 2; mkdir(path.c_str(), 0777) != 0; ++i) {
        check(errno == EEXIST && i < 1000, "cannot make the run folder ", path, ": ",
              std::strerror(errno), "; choose another --output");
        path = join(stem, "-", i);
    }
    return path;
}

// Links runs/latest; a convenience, so a file system without links is not an error.
void link_latest(const std::string& path) {
    const std::string link = join(kRoot, "/latest");
    const std::string temporary = join(link, ".tmp.", getpid());
    std::error_code ignored;
    fs::create_symlink(fs::path(path).filename(), temporary, ignored);
    if (ignored) return;
    fs::rename(temporary, link, ignored);
    if (ignored) fs::remove(temporary, ignored);
}

Json facts_json(const RunFacts& facts) {
    Json json;
    json["dataset"] = facts.dataset;
    json["train_images"] = facts.train_images;
    json["test_images"] = facts.test_images;
    json["stem"] = facts.stem;
    json["image_size"] = facts.image_size;
    json["num_classes"] = facts.num_classes;
    json["bn_fold"] = facts.bn_fold;
    json["threads"] = facts.threads;
    json["device"] = facts.device;
    json["parameters"] = facts.parameters ? Json(*facts.parameters) : Json();
    json["float_nodes"] = facts.float_nodes ? Json(*facts.float_nodes) : Json();
    return json;
}

Json machine_json() {
    const Machine machine = describe_machine();
    return {{"cpu", machine.cpu},
            {"cores", machine.cores},
            {"memory_bytes", machine.memory_bytes},
            {"system", machine.system}};
}

// An entry of an earlier run.json; null if it is missing or unreadable.
Json earlier_entry(const std::string& path, const char* key) {
    std::ifstream file(path);
    const Json json = Json::parse(file, nullptr, false);
    return json.is_object() && json.contains(key) ? json[key] : Json();
}

}  // namespace

FolderLock::FolderLock(const std::string& path) {
    descriptor_ = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor_ < 0) return;
    // A file system without locks must not stop the run.
    if (flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
    close(descriptor_);
    descriptor_ = -1;
}

FolderLock::~FolderLock() {
    if (descriptor_ >= 0) close(descriptor_);
}

void check_run_folder(const Options& options) {
    const bool resumed = !options.resume.empty();
    const fs::path path = resumed                  ? options.resume
                          : options.output.empty() ? kRoot
                                                   : options.output;
    if (resumed) refuse_finished(path);
    if (!resumed && !options.output.empty()) refuse_taken(path);
    fs::path place = fs::absolute(path).lexically_normal();
    while (!exists(place) && place.has_relative_path()) place = place.parent_path();
    std::error_code ignored;
    check(fs::is_directory(place, ignored) && access(place.c_str(), W_OK | X_OK) == 0,
          "cannot make the run folder ", path.string(), ": ", place.string(),
          fs::is_directory(place, ignored) ? " may not be written" : " is a file",
          "; choose another --output");
}

bool belongs_to_run(const std::string& path, const std::string& folder) {
    static const std::set<std::string> files{
        "run.json",          "config.toml",        "metrics.csv",          "metrics.jsonl",
        "result.json",       "last.safetensors",   "previous.safetensors", "float.safetensors",
        "model.safetensors", "program.safetensors"};
    std::error_code ignored;
    const fs::path place = fs::weakly_canonical(path, ignored);
    return place.parent_path() == fs::weakly_canonical(folder, ignored) &&
           files.contains(place.filename().string());
}

RunFolder::RunFolder(const Options& options) : resumed_(!options.resume.empty()) {
    const bool fresh_default = !resumed_ && options.output.empty();
    path_ = resumed_        ? options.resume
            : fresh_default ? make_default_folder(options)
                            : options.output;
    if (!resumed_) make_folder(path_);
    lock_.emplace(path_);
    check_kind(lock_->held(), ErrorKind::usage, "the run folder ", path_,
               " is in use by another process; wait for it or choose another --output");
    if (resumed_) {
        refuse_finished(path_);
        remove_unfinished_files(path_);
    } else {
        refuse_taken(path_);
        write_file_atomically(file("config.toml"), config_toml(options));
    }
    if (fresh_default) link_latest(path_);
    const Json started = earlier_entry(file("run.json"), "started");
    started_ = started.is_string() ? started.get<std::string>() : utc_time();
    metrics_ = Metrics(path_);
}

std::string RunFolder::resume_command() const {
    return "./train --resume " + shell_word(path_);
}

std::vector<std::pair<std::string, std::string>> RunFolder::recorded_data_sha256() const {
    std::vector<std::pair<std::string, std::string>> hashes;
    const Json recorded = earlier_entry(file("run.json"), "data_sha256");
    for (const auto& [name, hash] : recorded.items()) {
        if (hash.is_string()) hashes.emplace_back(name, hash.get<std::string>());
    }
    return hashes;
}

void RunFolder::write_run_json(const Options& options, const RunFacts& facts) {
    Json json;
    json["version"] = version();
    json["commit"] = version_commit();
    json["build"] = version_build();
    json["started"] = started_;
    json["written"] = utc_time();
    json["command"] = facts.command;
    json["options"] = Json::parse(options_json(options));
    json["resolved"] = facts_json(facts);
    json["data_sha256"] = Json::object();
    for (const auto& [name, hash] : facts.data_sha256) json["data_sha256"][name] = hash;
    json["machine"] = machine_json();
    write_file_atomically(file("run.json"),
                          json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

void RunFolder::write_result(const Result& result) {
    write_file_atomically(file("result.json"), result_json(result));
}

std::string find_unfinished_run(const std::string& root) {
    std::string newest;
    fs::file_time_type newest_time;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(root, ignored)) {
        const std::string path = entry.path().string();
        if (entry.is_symlink(ignored) || !exists(path + "/config.toml")) continue;
        if (exists(path + "/result.json")) continue;
        const auto time = fs::last_write_time(path + "/metrics.jsonl", ignored);
        const bool later =
            newest.empty() || time > newest_time || (time == newest_time && path > newest);
        if (!later || !FolderLock(path).held()) continue;
        newest = path;
        newest_time = time;
    }
    return newest;
}

}  // namespace gradus
