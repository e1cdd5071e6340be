// input_file -- reads a file from front to back; its size is known in advance.
//
// Every error is ErrorKind::data, one line: "<format>: <path>: <what is wrong>; <what to do>".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "tensor/check.h"

namespace gradus {

class InputFile {
  public:
    // `format` names the reader in messages. The path must be a regular file.
    InputFile(std::string format, std::string path);
    ~InputFile();
    InputFile(const InputFile&) = delete;
    InputFile& operator=(const InputFile&) = delete;

    uint64_t size() const { return size_; }
    uint64_t remaining() const { return size_ - position_; }

    // Reads the next `bytes` bytes; `what` names them in the message if the file is too short.
    void read(void* to, size_t bytes, const char* what);
    void skip(uint64_t bytes);

    template <class... Parts>
    [[noreturn]] void corrupt(const Parts&... parts) const {
        fail(ErrorKind::data, format_, ": ", path_, ": ", parts...);
    }
    template <class... Parts>
    void require(bool ok, const Parts&... parts) const {
        if (!ok) corrupt(parts...);
    }

  private:
    std::string format_;
    std::string path_;
    int descriptor_ = -1;
    uint64_t size_ = 0;
    uint64_t position_ = 0;
};

}  // namespace gradus
