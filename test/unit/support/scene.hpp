// A core that has said something in a topic, for tests of what a peer may do to it.
//
//     Scene s;
//     Stranger eve(s.ada, "eve");
//     eve.enter(secret);
//     …
//     CHECK(s.intact());                                         // what was said is there, and nothing else
#pragma once

#include "codec/bytes.hpp"
#include "unit/support/solo.hpp"

namespace perdure::test {

inline const Secret secret = named_secret("a topic");

struct Scene {
  Solo ada{"ada"};
  std::vector<std::string> said;
  u32 topic = ada.join(secret);
  std::string first;  // its id

  explicit Scene(std::vector<std::string> words = {"one", "two"}) : said(std::move(words)) {
    for (const std::string& word : said) {
      std::string id = ada.append(topic, word);
      if (first.empty()) first = id;
    }
  }
  bool intact() { return ada.messages(topic) == said; }
};

// What the core shows of itself to who enters; none if it has said nothing.
inline std::optional<wire::Page> first_page(Solo& solo) {
  Stranger early(solo, "early");
  early.enter(secret);
  const auto page = early.last<wire::Page>();
  early.close();
  return page;
}

inline u64 incarnation_of(const wire::Page& page) { return codec::Reader(page.opening->incarnation).be64(); }

}  // namespace perdure::test
