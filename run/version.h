// version -- the version of Gradus and the libraries it was built with.
#pragma once

#include <string>

namespace gradus {

std::string version();         // "0.1.0"
std::string version_commit();  // short hash of the commit, "unknown" outside of a repository
std::string version_build();   // compiler and the libraries found
std::string version_line();    // gradus 0.1.0 (commit ..., ...)

}  // namespace gradus
