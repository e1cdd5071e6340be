#include "run/guarded_main.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <new>
#include <string>

#include "run/printable.h"
#include "tensor/check.h"

namespace gradus {

namespace {

void print_line(const std::string& prefix, const std::string& text) {
    std::cerr << prefix << printable(text) << std::endl;
}

int call(int argc, char** argv, int (*function)(int, char**)) {
    try {
        return function(argc, argv);
    } catch (const Error& error) {
        // Stopping on request is no error.
        const bool stopped = error.kind() == ErrorKind::interrupted;
        print_line(stopped ? "" : "error: ", error.what());
        return static_cast<int>(error.kind());
    } catch (const std::bad_alloc&) {
        print_line("error: ", "out of memory; try a smaller --batch-size");
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
