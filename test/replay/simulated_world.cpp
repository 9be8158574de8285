// The replay stands on the simulator's world: these are all of its sources that it needs.
#include "sim/event_log.cpp"
#include "sim/links.cpp"
#include "sim/world.cpp"
