// guarded_main -- handles every way in which a program can end.
#pragma once

namespace gradus {

// Runs function(argc, argv) and returns its code. An Error becomes one line `error: ...` on stderr
// and its exit code; any other exception one line and 1. An unnoticed write error on stdout (a full
// disk, for instance) turns success into 1.
int guarded_main(int argc, char** argv, int (*function)(int argc, char** argv));

}  // namespace gradus
