// libFuzzer's two doors, and the meter: the sanitizer tells of every allocation. `target --write-seeds DIR` writes the seeds and ends.
#include <string>

#include "fuzz/target.hpp"

// Of sanitizer/allocator_interface.h, which g++ does not bring.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void*, std::size_t),
                                                         void (*)(const volatile void*));

namespace {
thread_local bool metering = false;
thread_local std::size_t metered = 0;

void allocated(const volatile void*, std::size_t size) {
  if (metering) metered += size;
}
void freed(const volatile void*) {}
}  // namespace

namespace perdure::fuzz {
Meter::Meter() {
  static const int hooked = __sanitizer_install_malloc_and_free_hooks(allocated, freed);
  if (hooked == 0) failed("the sanitizer takes hooks", __FILE__, __LINE__);
  metered = 0;
  metering = true;
}
Meter::~Meter() { metering = false; }
std::size_t Meter::bytes() const { return metered; }
}  // namespace perdure::fuzz

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  perdure::fuzz::target({data, size});
  return 0;
}

extern "C" int LLVMFuzzerInitialize(int* count, char*** values) {
  if (*count != 3 || std::string((*values)[1]) != "--write-seeds") return 0;
  int number = 0;
  for (const perdure::Bytes& seed : perdure::fuzz::seeds()) {
    std::FILE* file = std::fopen((std::string((*values)[2]) + "/seed-" + std::to_string(number++)).c_str(), "wb");
    if (!file) std::exit(1);
    std::fwrite(seed.data(), 1, seed.size(), file);
    std::fclose(file);
  }
  std::exit(0);
}
