// Whether a sanitizer looks on. It looks for faults of memory and of threads, at a tenth of the
// speed: what meets the same code again and again does so less often there. How much is tried for
// its own sake is what the release build tries.
#ifndef DENIER_TESTS_SANITIZED_H_
#define DENIER_TESTS_SANITIZED_H_

namespace denier {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace denier

#endif  // DENIER_TESTS_SANITIZED_H_
