// guarded_main -- every way a program can end, in one place.
#pragma once

namespace gradus {

// Runs function(argc, argv) and returns its code. An Error becomes one line `error: ...` on stderr
// and its exit code; any other exception one line and 1. A write error on stdout that nobody else
// saw (a full disk that the output is redirected to) turns success into 1.
int guarded_main(int argc, char** argv, int (*function)(int argc, char** argv));

}  // namespace gradus
