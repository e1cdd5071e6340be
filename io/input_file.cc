#include "io/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace gradus {

InputFile::InputFile(std::string format, std::string path)
    : format_(std::move(format)), path_(std::move(path)) {
    descriptor_ = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    require(descriptor_ >= 0, "cannot be opened (", std::strerror(errno), "); check the path");
    struct stat facts {};
    const bool regular = fstat(descriptor_, &facts) == 0 && S_ISREG(facts.st_mode);
    if (!regular) {
        close(descriptor_);
        corrupt("is not a regular file; check the path");
    }
    size_ = static_cast<uint64_t>(facts.st_size);
}

InputFile::~InputFile() {
    close(descriptor_);
}

void InputFile::read(void* to, size_t bytes, const char* what) {
    require(bytes <= remaining(), "ends inside ", what, " (", size_, " bytes, ", position_ + bytes,
            " needed); the file is truncated, fetch or write it again");
    char* place = static_cast<char*>(to);
    while (bytes > 0) {
        const ssize_t count = ::read(descriptor_, place, std::min<size_t>(bytes, size_t{1} << 30));
        if (count < 0 && errno == EINTR) continue;
        require(count >= 0, "cannot be read (", std::strerror(errno), "); check the disk");
        require(count > 0, "became shorter while it was read; let its writer finish, then retry");
        place += count;
        bytes -= static_cast<size_t>(count);
        position_ += static_cast<uint64_t>(count);
    }
}

void InputFile::skip(uint64_t bytes) {
    require(bytes <= remaining(), "ends before byte ", position_ + bytes,
            "; the file is truncated, fetch or write it again");
    const auto place = static_cast<off_t>(position_ + bytes);
    require(::lseek(descriptor_, place, SEEK_SET) == place, "cannot be read (",
            std::strerror(errno), "); check the disk");
    position_ += bytes;
}

}  // namespace gradus
