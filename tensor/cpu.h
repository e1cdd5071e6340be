// cpu -- detects CPU features beyond the baseline (x86-64-v3: AVX2, FMA) at run time.
#pragma once

namespace gradus {

// Foundation, byte and word, vector-length and doubleword instructions: every AVX-512 server CPU.
inline bool cpu_has_avx512() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

inline bool cpu_has_avx512_vnni() {
    return cpu_has_avx512() && __builtin_cpu_supports("avx512vnni");
}

}  // namespace gradus
