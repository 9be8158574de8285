// How to set up a node. Parameters of the protocol stand in src/node/params.hpp, each with its reason.
#pragma once

#include <perdure/types.hpp>

namespace perdure {

struct Quotas {  // of an anchor; an edge stores what its user joins
  u64 total_bytes = u64{4096} << 20;
  u64 topic_bytes = u64{256} << 20;
  u64 device_bytes = u64{64} << 20;
  u32 lease_days = 30;
  // what one address brings; it does not bind an anchor that is told whom it serves
  u64 address_bytes = u64{64} << 20;
};

struct Config {
  std::string app;      // names the network
  Seed device_seed;     // makes the device key; kept by the host
  Seed random_seed;     // fresh at each start
  std::string name;     // what others see beside the id; may be empty
  bool anchor = false;  // always on, blind, stores what members bring; serves every app whose network id it is told
  bool rtc = true;      // the host can make DataChannels
  std::vector<std::string> anchors;  // ws:// or wss://
  Quotas quotas;
  std::vector<std::string> apps;  // an anchor: the networks it serves; none: any
  u32 cache_bytes = 4u << 20;     // rows kept in memory
  u32 links_max = 64;             // an anchor: 512; of an edge it bounds the DataChannels, of which there are at most 8
  u32 idle_bytes_per_second = 0;  // what may be sent while nothing happens; 0: no bound
  u32 stun_port = 0;              // an anchor: the UDP port at which its host answers STUN; 0: it does not
  std::string version;            // of the package, told to peers; may be empty
  std::vector<TopicId> topics;    // an anchor: those that it serves …
  bool tokens = false;            // … beside all that links enter which its host admits; neither: anybody
  u64 memory_bytes = 0;           // what the process may use in all; 0: what the defaults need
};

}  // namespace perdure
