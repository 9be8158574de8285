# libsodium, msgpack-cxx and Catch2, built for WebAssembly and for this machine from their release archives.

unpack() { # NAME: into $prefix/src/NAME; prints nothing
  local archive
  archive=$(fetch_source "$1") || return 1
  rm -rf "$prefix/src/$1"
  mkdir -p "$prefix/src/$1"
  tar -xf "$archive" -C "$prefix/src/$1" --strip-components=1
}

# Debian's 1.0.18: the archive is pinned, the patches are what Debian signs today.
unpack_libsodium_old() {
  local source=$prefix/src/libsodium-old patches patch
  on_debian && unpack libsodium-old && from_suite trixie source --download-only libsodium || return 1
  patches=$(find "$cache/downloads" -name 'libsodium_1.0.18-*.debian.tar.xz' | sort | tail -n 1)
  tar -xf "$patches" -C "$source"
  for patch in $(grep -v '^#' "$source/debian/patches/series"); do
    patch -s -p1 -d "$source" <"$source/debian/patches/$patch" || return 1
  done
}

# compile_sodium TARGET CC AR FLAGS…: no configure (it takes minutes under Emscripten); the defines below hold for both targets.
compile_sodium() {
  local target=$1 cc=$2 ar=$3 out=$prefix/libsodium/$1 include objects
  shift 3
  include=$out/include objects=$out/objects
  rm -rf "$out"
  mkdir -p "$objects" "$include"
  cp -r "$sodium/include/sodium" "$sodium/include/sodium.h" "$include/"
  sed -e "s/@VERSION@/$sodium_version/; s/@SODIUM_LIBRARY_VERSION_MAJOR@/26/; s/@SODIUM_LIBRARY_VERSION_MINOR@/0/; s/@SODIUM_LIBRARY_MINIMAL_DEF@//" \
    "$sodium/include/sodium/version.h.in" >"$include/sodium/version.h"
  find "$sodium" -name '*.c' | LC_ALL=C sort >"$out/sources"
  # Each object is named after its path: many files in libsodium share a name. Two kinds of exceptions: see entropy.h; and ChaCha20 for
  # four blocks at once, which Emscripten translates from SSSE3 to the vectors of WebAssembly (four times as fast) and which libsodium
  # would choose at run time, by what the processor says, which WebAssembly cannot ask.
  FLAGS="$* -w -fvisibility=hidden -fno-strict-aliasing -fno-strict-overflow -I$include -I$include/sodium
    -DCONFIGURED=1 -DNATIVE_LITTLE_ENDIAN=1 -D_GNU_SOURCE=1 -DHAVE_C11_MEMORY_FENCES=1 -DHAVE_GCC_MEMORY_FENCES=1 -DHAVE_ATOMIC_OPS=1
    -DHAVE_INLINE_ASM=1 -DHAVE_ALLOCA_H=1 -DHAVE_ALLOCA=1 -DHAVE_EXPLICIT_BZERO=1 -DHAVE_SYS_RANDOM_H=1 -DHAVE_SYS_PARAM_H=1
    -DHAVE_CLOCK_GETTIME=1 -DHAVE_GETPID=1 -DHAVE_POSIX_MEMALIGN=1 -DHAVE_NANOSLEEP=1" \
  TARGET=$target CC=$cc ROOT=$sodium OUT=$objects quietly xargs -a "$out/sources" -P "$(jobs)" -I{} bash -c '
    name=${1#"$ROOT"/}
    case $TARGET:$name in
      *:randombytes/randombytes.c) FLAGS="$FLAGS -U__EMSCRIPTEN__" ;;
      wasm:crypto_stream/chacha20/dolbeau/chacha20_dolbeau-ssse3.c) FLAGS="$FLAGS -mssse3 -DHAVE_EMMINTRIN_H=1 -DHAVE_TMMINTRIN_H=1" ;;
      wasm:crypto_stream/chacha20/stream_chacha20.c)
        FLAGS="$FLAGS -Dcrypto_stream_chacha20_ref_implementation=crypto_stream_chacha20_dolbeau_ssse3_implementation" ;;
    esac
    exec "$CC" $FLAGS -c "$1" -o "$OUT/${name//\//_}.o"' compile {}
  quietly "$ar" rcs "$out/libsodium.a" "$objects"/*.o
  rm -rf "$objects" "$out/sources"
}

libsodium() {
  local source=$prefix/src/libsodium sodium sodium_version
  if unpack libsodium; then
    sodium_version=$(pin source libsodium 3)
  elif unpack_libsodium_old; then
    source=$prefix/src/libsodium-old
    sodium_version=$(pin source libsodium-old 3)
    say "libsodium $(pin source libsodium 3) is not to be had here: taking Debian's $sodium_version with its security patches."
  else
    fail "libsodium $(pin source libsodium 3) could not be obtained from upstream or from Debian."
  fi
  sodium=$source/src/libsodium
  say "libsodium $sodium_version for WebAssembly."
  # No HAVE_TI_MODE: 128-bit integers make the wasm slower. Vectors double the speed of Argon2 and help Ed25519.
  compile_sodium wasm "$prefix/emscripten/emcc" "$prefix/emscripten/emar" -O3 -msimd128 \
    -DHAVE_SAFE_ARC4RANDOM=1 -include "$PWD/wasm/entropy.h"
  say "libsodium $sodium_version for this machine."
  compile_sodium native gcc ar -O2 -fPIC -DHAVE_TI_MODE=1
}

msgpack() {
  unpack msgpack-cxx || fail "msgpack-cxx could not be obtained from upstream or from Debian."
  # A folder of its own: the host's /usr/include must never come before Emscripten's.
  rm -rf "$prefix/msgpack"
  mkdir -p "$prefix/msgpack"
  mv "$prefix/src/msgpack-cxx/include" "$prefix/msgpack/include"
}

catch2() {
  local out=$prefix/catch2
  unpack catch2 || fail "Catch2 could not be obtained from upstream or from Debian."
  say "Catch2 for this machine and for WebAssembly."
  rm -rf "$out"
  mkdir -p "$out"
  cp "$prefix/src/catch2/extras"/catch_amalgamated.* "$out/"
  g++ -std=c++20 -O1 -c "$out/catch_amalgamated.cpp" -o "$out/native.o" &
  quietly "$prefix/emscripten/em++" -std=c++20 -O1 -fwasm-exceptions -c "$out/catch_amalgamated.cpp" -o "$out/wasm.o"
  wait $! || fail "Catch2 does not compile on this machine."
  ar rcs "$out/libcatch2-native.a" "$out/native.o"
  "$prefix/emscripten/emar" rcs "$out/libcatch2-wasm.a" "$out/wasm.o"
  rm "$out/native.o" "$out/wasm.o"
}

libraries() {
  libsodium
  msgpack
  catch2
  rm -rf "$prefix/src"
}
