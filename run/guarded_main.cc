#include "run/guarded_main.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <new>
#include <string>
#include <system_error>

#include "run/printable.h"
#include "tensor/check.h"

namespace gradus {

namespace {

// Prints one line, whatever a file or a name contains.
void print_line(const std::string& prefix, const std::string& text) {
    std::cerr << prefix << printable(text) << std::endl;
}

std::string file_text(const std::filesystem::filesystem_error& error) {
    const std::string path = error.path1().empty() ? "a file" : error.path1().string();
    const std::string reason = error.code().message();
    return path + ": " + reason + "; check the path, its permissions and the space on its disk";
}

// Mainly threads that cannot be created.
std::string system_text(const std::system_error& error) {
    const std::string reason = error.code().message();
    if (error.code() == std::errc::resource_unavailable_try_again) {
        return "the system allows no further thread (" + reason +
               "); give fewer --threads or raise its limit (ulimit -u)";
    }
    return "the system refuses a request (" + reason + "); free resources and try again";
}

int call(int argc, char** argv, int (*function)(int, char**)) {
    try {
        return function(argc, argv);
    } catch (const Error& error) {
        // Stopping on request is not an error.
        const bool stopped = error.kind() == ErrorKind::interrupted;
        print_line(stopped ? "" : "error: ", error.what());
        return static_cast<int>(error.kind());
    } catch (const std::bad_alloc&) {
        print_line("error: ",
                   "out of memory; free some, or ask for less: smaller images, batches "
                   "(--batch-size of ./train) or networks");
    } catch (const std::filesystem::filesystem_error& error) {
        print_line("error: ", file_text(error));
    } catch (const std::system_error& error) {
        print_line("error: ", system_text(error));
    } catch (const std::exception& error) {
        print_line("error: ", error.what());
    } catch (...) {
        print_line("error: ", "an exception of unknown type");
    }
    return static_cast<int>(ErrorKind::runtime);
}

}  // namespace

int guarded_main(int argc, char** argv, int (*function)(int, char**)) {
    const int code = call(argc, argv, function);
    errno = 0;
    std::cout.flush();
    const bool written = std::fflush(stdout) == 0 && !std::ferror(stdout) && std::cout.good();
    if (written) return code;
    const std::string reason = errno == 0 ? "an earlier write failed" : std::strerror(errno);
    print_line("error: ", "cannot write the standard output: " + reason);
    return code == 0 ? static_cast<int>(ErrorKind::runtime) : code;
}

}  // namespace gradus
