// output_path -- where a program writes what it was asked for by name.
#pragma once

#include <string>

namespace gradus {

// Makes the folders that `file` is to stand in, as those that write whole folders do.
// Error(runtime), naming the folder and the remedy, if they cannot be made.
void make_parent_folders(const std::string& file);

}  // namespace gradus
