#include "run/train/metrics.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "io/atomic_file.h"
#include "tensor/check.h"

namespace gradus {

namespace {

const char* const kHeader =
    "phase,epoch,step,train_loss,train_top1,eval_loss,eval_top1,lr,images_per_second";

// The key of a row within its file.
std::string key_of(const std::string& path, const std::string& phase, int64_t epoch, int64_t step) {
    return join(path, ",", phase, ",", epoch, ",", step);
}

std::string cell(double value) {
    if (!std::isfinite(value)) return "";
    char text[32];
    return std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
}

std::string csv_line(const MetricsRow& row) {
    std::string line = join(row.phase, ",", row.epoch, ",", row.step);
    for (const double value : {row.train_loss, row.train_top1, row.eval_loss, row.eval_top1, row.lr,
                               row.images_per_second}) {
        line += "," + cell(value);
    }
    return line;
}

std::string json_line(const MetricsRow& row) {
    nlohmann::ordered_json json;  // a number that is not finite is written as null
    json["phase"] = row.phase;
    json["epoch"] = row.epoch;
    json["step"] = row.step;
    json["train_loss"] = row.train_loss;
    json["train_top1"] = row.train_top1;
    json["eval_loss"] = row.eval_loss;
    json["eval_top1"] = row.eval_top1;
    json["lr"] = row.lr;
    json["images_per_second"] = row.images_per_second;
    for (const ParameterMetrics& p : row.parameters) {
        auto& entry = json["parameters"][p.name];
        entry = {{"value", p.value}, {"gradient", p.gradient}};
        if (p.channels == 1) continue;
        entry["gradient_norm"] = p.gradient_norm;
        entry["channels"] = p.channels;
    }
    return json.dump();
}

// Reads the key fields of a row; false if the line was cut off or is not a row.
bool read_place(const std::string& line, bool csv, MetricsRow* row) {
    if (csv) {
        std::istringstream cells(line);
        std::string epoch, step;
        if (std::count(line.begin(), line.end(), ',') != 8) return false;
        std::getline(cells, row->phase, ',');
        std::getline(cells, epoch, ',');
        std::getline(cells, step, ',');
        return std::sscanf((epoch + " " + step).c_str(), "%d %ld", &row->epoch, &row->step) == 2;
    }
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (!json.is_object() || !json.contains("step") || !json.contains("phase")) return false;
    row->phase = json.value("phase", "");
    row->epoch = json.value("epoch", 0);
    row->step = json.value("step", int64_t{0});
    return true;
}

// Writes a line in one call, so that it appears whole or not at all.
void append_line(const std::string& path, const std::string& line) {
    const std::string text = line + "\n";
    const int file = open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    ssize_t written = file < 0 ? -1 : 0;
    size_t done = 0;
    while (written >= 0 && done < text.size()) {
        written = write(file, text.data() + done, text.size() - done);
        if (written < 0 && errno == EINTR) written = 0;
        if (written > 0) done += static_cast<size_t>(written);
    }
    int error = written < 0 ? errno : 0;
    if (file >= 0 && close(file) != 0 && error == 0) error = errno;
    check(error == 0, "cannot write ", path, ": ", std::strerror(error),
          "; free some space or choose another --output");
}

}  // namespace

Metrics::Metrics(const std::string& folder)
    : csv_path_(folder + "/metrics.csv"), jsonl_path_(folder + "/metrics.jsonl") {
    cut_back(INT64_MAX);
}

void Metrics::epoch(const MetricsRow& row) {
    if (!written_.insert(key_of(csv_path_, row.phase, row.epoch, row.step)).second) return;
    append_line(csv_path_, csv_line(row));
}

void Metrics::interval(const MetricsRow& row) {
    if (!written_.insert(key_of(jsonl_path_, row.phase, row.epoch, row.step)).second) return;
    append_line(jsonl_path_, json_line(row));
}

void Metrics::cut_back(int64_t step) {
    written_.clear();
    cut_back_file(csv_path_, step, true);
    cut_back_file(jsonl_path_, step, false);
}

void Metrics::cut_back_file(const std::string& path, int64_t step, bool csv) {
    std::string kept = csv ? std::string(kHeader) + "\n" : "";
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        MetricsRow row;
        if (file.eof() || !read_place(line, csv, &row) || row.step > step) continue;
        if (!written_.insert(key_of(path, row.phase, row.epoch, row.step)).second) continue;
        kept += line + "\n";
    }
    write_file_atomically(path, kept);
}

}  // namespace gradus
