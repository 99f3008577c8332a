// Whether a sanitizer looks on. It looks for faults of memory and of threads, and slows everything
// down: what meets the same code again and again does so less often there. The release build tries
// all of it.
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
