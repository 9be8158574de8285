// What the links of one address share of what wire/table.hpp allows. What was spent is remembered for who comes again, as far as there is
// room: at most params::addresses_max without a link.
//
//   link.purse = Purses::name(opened);  link.shared = purses.join(link.purse, now_ms);   …   purses.leave(link.purse, now_ms);
#pragma once

#include <perdure/events.hpp>

#include <map>
#include <memory>

#include "peers/links.hpp"

namespace perdure {

class Purses {
 public:
  // Whose it is: an address's, or the link's own where the host does not tell one.
  static Bytes name(const LinkOpened& event);

  // One link more.
  std::shared_ptr<peers::Spent> join(const Bytes& name, u64 now_ms);
  // One less. Of a relayed link, which has none of its own: nothing.
  void leave(const Bytes& name, u64 now_ms);

 private:
  struct Purse {
    std::shared_ptr<peers::Spent> spent;
    std::size_t links = 0;
  };
  std::map<Bytes, Purse> of_;
};

}  // namespace perdure
