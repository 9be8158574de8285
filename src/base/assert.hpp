// Programmer errors stop the program, also in the release builds of tests and the simulator.
// What a remote peer sends is never a programmer error.
#pragma once

#include <cstdlib>

namespace perdure {
[[noreturn]] inline void fail_assertion() { std::abort(); }
}  // namespace perdure

#define PERDURE_ASSERT(condition) ((condition) ? void(0) : ::perdure::fail_assertion())
