#include "run/threads.h"

#include <iostream>

#include "tensor/cores.h"
#include "tensor/parallel.h"

namespace gradus {

void use_threads(int threads) {
    const int cores = available_cores();
    if (threads > cores) {
        std::cerr
            << "warning: --threads " << threads << ": this process may use " << cores
            << (cores == 1 ? " core" : " cores")
            << " (affinity mask, CPU quota of its container), so more threads are slower; drop "
               "--threads or take at most "
            << cores << std::endl;
    }
    set_thread_count(threads > 0 ? threads : cores);
}

}  // namespace gradus
