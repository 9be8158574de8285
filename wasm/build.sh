#!/usr/bin/env bash
# Builds targets of one CMake preset, one build of a preset at a time.
#
#   wasm/build.sh PRESET TARGET…
set -eu
cd "$(dirname "$0")/.."
preset=$1
shift
mkdir -p "build/$preset"
exec 9>"build/$preset/.lock"
flock 9
[ -f "build/$preset/build.ninja" ] || cmake --preset "$preset" >"build/$preset/configure.log" 2>&1 || {
  cat "build/$preset/configure.log" >&2
  exit 1
}
exec cmake --build --preset "$preset" --target "$@"
