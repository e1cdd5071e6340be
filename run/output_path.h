// output_path -- prepares the place of a file that a user named.
#pragma once

#include <string>

namespace gradus {

// Makes the parent folders of `file`. Error(runtime), naming the folder and the remedy, if they
// cannot be made.
void make_parent_folders(const std::string& file);

}  // namespace gradus
