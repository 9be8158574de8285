// libsodium, ready to be called. Its own randomness is used nowhere in the core.
#pragma once

#include <sodium.h>

#include "base/assert.hpp"

namespace perdure::crypto {

// sodium_init chooses among a processor's instructions. WebAssembly has one set, and there the call would only draw in a
// source of entropy that the core must not have.
inline void need_sodium() {
#ifndef __EMSCRIPTEN__
  static const bool ready = sodium_init() >= 0;
  PERDURE_ASSERT(ready);
#endif
}

}  // namespace perdure::crypto
