// Asio asks for every coroutine's frame by aligned_alloc(3), with the alignment that malloc has anyway. The C library
// goes a long way for it, past its caches of freed blocks: one instruction in eight of a small request was spent on
// that.
#include <algorithm>
#include <cstddef>
#include <cstdlib>

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)

/// As C17 7.22.3.1 has it; freed by free(3).
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  if (alignment <= alignof(std::max_align_t)) return std::malloc(size);
  void* memory = nullptr;
  return ::posix_memalign(&memory, std::max(alignment, sizeof(void*)), size) == 0 ? memory : nullptr;
}

#endif
#endif
