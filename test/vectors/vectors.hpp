// Reads what vectors.mjs wrote.
//
//     for (const vectors::Case& c : vectors::read("blake2b")) CHECK(hash(c.bytes("in")) == c.bytes("out"));
#pragma once

#include <perdure/types.hpp>

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "catch_amalgamated.hpp"

namespace perdure::vectors {

inline Bytes from_hex(std::string_view hex) {
  Bytes out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) out.push_back(static_cast<u8>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  return out;
}

class Case {
 public:
  explicit Case(const std::string& line) {
    std::istringstream words(line);
    for (std::string word; words >> word;) {
      std::size_t equals = word.find('=');
      fields_[word.substr(0, equals)] = word.substr(equals + 1);
    }
  }
  const std::string& text(const std::string& name) const {
    auto it = fields_.find(name);
    if (it == fields_.end()) FAIL("The vector has no " << name << ".");
    return it->second;
  }
  Bytes bytes(const std::string& name) const { return from_hex(text(name)); }
  template <class F>
  F fixed(const std::string& name) const {
    Bytes b = bytes(name);
    if (b.size() != F::size) FAIL("The vector's " << name << " is of another size.");
    return F::from(b);
  }
  u64 number(const std::string& name) const { return std::stoull(text(name)); }
  std::vector<Bytes> list(const std::string& name) const {
    std::vector<Bytes> out;
    std::istringstream items(text(name));
    for (std::string item; std::getline(items, item, ',');) out.push_back(from_hex(item));
    return out;
  }
  bool valid() const { return text("result") == "valid"; }

 private:
  std::map<std::string, std::string> fields_;
};

inline std::vector<Case> read(const std::string& name) {
  const char* set = std::getenv("PERDURE_VECTORS");
  const std::string path = std::string(set ? set : "build/vectors") + "/" + name + ".txt";
  std::ifstream in(path);
  std::vector<Case> cases;
  for (std::string line; std::getline(in, line);)
    if (!line.empty() && line[0] != '#') cases.emplace_back(line);
  if (cases.empty()) FAIL("There are no vectors in " << path << ": run `node test/vectors/vectors.mjs` at the top of the tree first.");
  return cases;
}

}  // namespace perdure::vectors
