// threads -- applies --threads.
#pragma once

namespace gradus {

// Makes kernels use `threads`, or for 0 one for each core that the process may use
// (tensor/cores.h). Accepts more than that, with a warning of one line on stderr.
void use_threads(int threads);

}  // namespace gradus
