# Programs of the operating system. On Debian they are packages, and installing those needs root: it is said before it
# happens; without root the one command to run is printed instead.

# The Debian package that brings a program, for the programs whose package has another name.
package_of() {
  case $1 in
    ninja) echo ninja-build ;;
    xz) echo xz-utils ;;
    *) echo "$1" ;;
  esac
}

has() {
  case $1 in
    llvm-19) [ -x /usr/lib/llvm-19/bin/llvm-ar ] ;;
    lld-19) [ -x /usr/lib/llvm-19/bin/wasm-ld ] ;;
    clang-19) [ -x /usr/lib/llvm-19/bin/clang ] ;;
    libclang-rt-19-dev) ls /usr/lib/llvm-19/lib/clang/*/lib/*/libclang_rt.fuzzer*.a >/dev/null 2>&1 ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

# need PROGRAM…: returns when all of them are there.
need() {
  local program missing="" packages="" install
  for program in "$@"; do
    has "$program" || { missing="$missing $program"; packages="$packages $(package_of "$program")"; }
  done
  [ -z "$missing" ] && return
  on_debian || fail "these programs are missing and have to be installed first:$missing."
  install="apt-get install -y --no-install-recommends$packages"
  if [ "$(id -u)" != 0 ]; then
    fail "these Debian packages are missing. Install them with
  sudo sh -c 'apt-get update && $install'
and run the same command again."
  fi
  say "As root: $install"
  quietly apt-get -o DPkg::Lock::Timeout=300 -qq update
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive quietly apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends $packages
}

build_programs() { need cmake ninja g++ make python3 xz patch ccache; }
# Where packages are installed anyway; tidy does without it elsewhere.
tidy_programs()  { [ "$(id -u)" = 0 ] && on_debian && (need clang-tidy-19) || true; }
fuzz_programs()  { need clang-19 libclang-rt-19-dev; }

# Debian's Chromium and Firefox; elsewhere the Chromium that Playwright brings, and a Firefox that has to be there.
browsers() {
  if on_debian; then
    need chromium firefox-esr
  else
    has chromium || quietly node node_modules/playwright-core/cli.js install chromium
    has firefox-esr || has firefox || fail "Firefox is missing and has to be installed first."
  fi
}
