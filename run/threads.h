// threads -- --threads of the programs.
#pragma once

namespace gradus {

// Kernels use `threads`, or with 0 as many as there are cores for the process (tensor/cores.h).
// More than these are taken too, after a warning of one line on stderr.
void use_threads(int threads);

}  // namespace gradus
