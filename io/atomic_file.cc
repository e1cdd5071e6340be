#include "io/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "tensor/check.h"

namespace gradus {

namespace {

const char* remedy(int error) {
    switch (error) {
        case ENOSPC:
        case EDQUOT:
            return "free some space or choose another folder";
        case EFBIG:
            return "raise the limit on file sizes (ulimit -f) or choose another folder";
        case EACCES:
        case EPERM:
        case EROFS:
            return "choose a folder that can be written";
        case ENOENT:
        case ENOTDIR:
            return "check that the folder exists";
        default:
            return "check the disk";
    }
}

// `error` is the errno of the call that failed.
[[noreturn]] void fail_writing(const std::string& path, const char* step, int error) {
    fail(ErrorKind::runtime, "cannot write ", path, ": ", step, ": ", std::strerror(error), "; ",
         remedy(error));
}

// Some file systems cannot sync a folder and return EINVAL; rename is then all they offer.
void sync_folder(const std::string& path) {
    const std::string parent = std::filesystem::path(path).parent_path().string();
    const int folder =
        open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) fail_writing(path, "cannot open the folder", errno);
    const int error = fsync(folder) == 0 ? 0 : errno;
    close(folder);
    if (error != 0 && error != EINVAL) fail_writing(path, "cannot sync the folder", error);
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path)
    : path_(path), temporary_(join(path, ".tmp.", getpid())) {
    std::error_code ignored;
    const bool replaceable = !std::filesystem::exists(path_, ignored) ||
                             std::filesystem::is_regular_file(path_, ignored);
    check(replaceable, "cannot write ", path_,
          ": it exists and is no regular file; choose another path");
    descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (descriptor_ < 0) fail_writing(path_, "cannot open", errno);
}

AtomicFile::~AtomicFile() {
    if (temporary_.empty()) return;
    close_descriptor();
    unlink(temporary_.c_str());
}

void AtomicFile::write(const void* bytes, size_t count) {
    const char* place = static_cast<const char*>(bytes);
    while (count > 0) {
        const ssize_t written = ::write(descriptor_, place, std::min(count, size_t{1} << 30));
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) fail_writing(path_, "cannot write", errno);
        place += written;
        count -= static_cast<size_t>(written);
    }
}

void AtomicFile::commit() {
    if (fsync(descriptor_) != 0) fail_writing(path_, "cannot sync", errno);
    const int descriptor = descriptor_;
    descriptor_ = -1;
    if (close(descriptor) != 0) fail_writing(path_, "cannot close", errno);
    if (std::rename(temporary_.c_str(), path_.c_str()) != 0) {
        fail_writing(path_, "cannot rename", errno);
    }
    temporary_.clear();
    sync_folder(path_);
}

void AtomicFile::close_descriptor() {
    if (descriptor_ >= 0) close(descriptor_);
    descriptor_ = -1;
}

void write_file_atomically(const std::string& path, std::string_view content) {
    AtomicFile file(path);
    file.write(content.data(), content.size());
    file.commit();
}

}  // namespace gradus
