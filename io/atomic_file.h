// atomic_file -- replaces a file by new content, or leaves it unchanged; nothing in between.
//
// The content goes to a temporary file in the same folder, is synced to the disk, and is renamed
// over the target; then the folder is synced (Pillai et al., OSDI 2014: both syncs are needed). A
// program that dies before the rename leaves at most "<path>.tmp.<pid>".
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gradus {

// The target is a regular file or does not exist; a device or pipe would be replaced by a file.
// Every failure is ErrorKind::runtime, one line with the path, the system's reason and a remedy.
class AtomicFile {
  public:
    explicit AtomicFile(const std::string& path);
    // Without commit() the temporary file is removed and the target keeps its old content.
    ~AtomicFile();
    AtomicFile(const AtomicFile&) = delete;
    AtomicFile& operator=(const AtomicFile&) = delete;

    void write(const void* bytes, size_t count);
    // After this `path` has the new content, even if power fails.
    void commit();

  private:
    void close_descriptor();

    std::string path_;
    std::string temporary_;
    int descriptor_ = -1;
};

void write_file_atomically(const std::string& path, std::string_view content);

}  // namespace gradus
