// Drives a target where libFuzzer is not to be had: seeded mutations, no coverage. It takes the few options of libFuzzer that
// run.mjs passes: -max_total_time=S -seed=N -max_len=N -artifact_prefix=P, folders of inputs, or single files to run once.
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "fuzz/target.hpp"
#include "sim/prng.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size);
extern "C" int LLVMFuzzerInitialize(int* count, char*** values);

namespace {

using perdure::Bytes;
using perdure::u64;
using perdure::u8;

Bytes input;  // under way: kept if it ends the program
std::string artifact = "./";

void keep_input(int) {
  std::string path = artifact + "crash";
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(input.data()), static_cast<std::streamsize>(input.size()));
  std::fprintf(stderr, "Test unit written to %s\n", path.c_str());
  std::_Exit(77);
}

Bytes read(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(in), {});
}

Bytes mutate(perdure::sim::Prng& prng, const std::vector<Bytes>& corpus, std::size_t max) {
  Bytes out = corpus[prng.below(corpus.size())];
  static constexpr u8 telling[] = {0x00, 0x01, 0x7f, 0x80, 0xff, 0xfe, 0x10, 0x20, 0x40, 0xc0, 0xdc, 0xdd};
  for (u64 n = prng.between(1, 6); n-- > 0;) {
    std::size_t at = prng.below(out.size() + 1);
    auto here = out.begin() + static_cast<std::ptrdiff_t>(at);
    switch (prng.below(7)) {
      case 0:
        if (at < out.size()) out[at] ^= static_cast<u8>(1u << prng.below(8));
        break;
      case 1:
        if (at < out.size()) out[at] = telling[prng.below(sizeof telling)];
        break;
      case 2: out.resize(at); break;
      case 3: out.insert(here, prng.between(1, 10), telling[prng.below(sizeof telling)]); break;
      case 4:
        out.erase(here,
                  out.begin() + static_cast<std::ptrdiff_t>(at + prng.below(std::min<u64>(out.size() - at, 16) + 1)));
        break;
      case 5:
        if (at < out.size()) out[at] = static_cast<u8>(prng.next());
        break;
      default: {
        const Bytes& other = corpus[prng.below(corpus.size())];
        std::size_t from = prng.below(other.size() + 1), size = prng.below(other.size() - from + 1);
        Bytes part(other.begin() + static_cast<std::ptrdiff_t>(from),
                   other.begin() + static_cast<std::ptrdiff_t>(from + size));
        out.insert(here, part.begin(), part.end());
      }
    }
  }
  if (out.size() > max) out.resize(max);
  return out;
}

}  // namespace

int main(int count, char** values) {
  LLVMFuzzerInitialize(&count, &values);
  u64 seconds = 10, seed = 1, max = 65'536, runs = 0;
  std::vector<Bytes> corpus{Bytes{}};
  bool single = false;
  std::signal(SIGABRT, keep_input);
  auto run = [&](Bytes in) {
    input = std::move(in);
    LLVMFuzzerTestOneInput(input.data(), input.size());
    ++runs;
  };
  for (int i = 1; i < count; ++i) {
    std::string word = values[i];
    auto number = [&] { return std::strtoull(word.c_str() + word.find('=') + 1, nullptr, 0); };
    if (word.starts_with("-max_total_time=")) seconds = number();
    else if (word.starts_with("-seed=")) seed = number();
    else if (word.starts_with("-max_len=")) max = number();
    else if (word.starts_with("-artifact_prefix=")) artifact = word.substr(17);
    else if (word.starts_with("-")) continue;
    else if (!std::filesystem::is_directory(word)) run(read(word)), single = true;
    else
      for (auto& entry : std::filesystem::directory_iterator(word)) corpus.push_back(read(entry.path()));
  }
  if (single) return 0;
  for (const Bytes& in : std::vector<Bytes>(corpus)) run(in);
  perdure::sim::Prng prng(seed);
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (std::chrono::steady_clock::now() < end) run(mutate(prng, corpus, max));
  std::fprintf(stderr, "Done %llu runs\n", static_cast<unsigned long long>(runs));
  return 0;
}
