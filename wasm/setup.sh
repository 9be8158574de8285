#!/usr/bin/env bash
# Brings everything that a build needs, and does nothing when it is there.
#
#   wasm/setup.sh [fuzz] [browsers]      with what the fuzzers or the browser tests need besides
#
# The toolchain lies outside the clone, so that the next clone finds it:
#   ${PERDURE_TOOLCHAIN:-${XDG_CACHE_HOME:-~/.cache}/perdure}/<hash of the pins and of what is done with them>
# and build/toolchain points there. `. build/toolchain/env.sh` puts emcc on the PATH.
set -eu
cd "$(dirname "$0")/.."
umask 022

cache=${PERDURE_TOOLCHAIN:-${XDG_CACHE_HOME:-$HOME/.cache}/perdure}
pins=$PWD/wasm/pins
version=$(cat emsdk-version)
. wasm/lib.sh
. wasm/system.sh
. wasm/emscripten.sh
. wasm/libraries.sh

command -v node >/dev/null || fail "Node 20 or later is needed."
[ "$(node -p 'parseInt(process.versions.node)')" -ge 20 ] || fail "Node 20 or later is needed; this one is $(node --version)."

prefix=$cache/$(cat emsdk-version wasm/pins wasm/emscripten.sh wasm/libraries.sh wasm/entropy.h | sha256sum | cut -c 1-16)
mkdir -p "$cache/downloads" "$prefix" build

exec 9>"$cache/lock"
flock -n 9 || { say "Another set-up is at work; waiting for it."; flock 9; }

step() { # NAME: runs the function of that name once
  [ -f "$prefix/.$1" ] && return
  "$1"
  touch "$prefix/.$1"
}
build_programs
tidy_programs
step emscripten
step libraries
cat >"$prefix/env.sh" <<ENV
export PATH="$prefix/emscripten:\$PATH"
ENV
if [ "$(readlink build/toolchain || true)" != "$prefix" ]; then
  # What CMake found out about another toolchain is void.
  rm -f build/*/CMakeCache.txt build/*/build.ninja
  ln -sfn "$prefix" build/toolchain
fi

node wasm/modules.mjs "$cache" "$started"
for extra in "$@"; do
  case $extra in
    fuzz) fuzz_programs ;;
    browsers) browsers ;;
    *) fail "unknown word '$extra'; known are: fuzz, browsers." ;;
  esac
done
say "Ready."
