# Emscripten at the version in `emsdk-version`. Ways in, tried in order: an emcc of that very version on the PATH; emsdk
# where the internet is open; Debian's packages, unpacked into the prefix. Each ends with $prefix/emscripten pointing at
# the folder that holds emcc.

emcc_on_path() {
  local emcc
  emcc=$(command -v emcc) || return 1
  emcc --version 2>/dev/null | head -n 1 | grep -qF " $version " || return 1
  say "Emscripten $version is on the PATH."
  ln -sfn "$(dirname "$(readlink -f "$emcc")")" "$prefix/emscripten"
}

emsdk() {
  internet && command -v git >/dev/null || return 1
  say "Emscripten $version: installing through emsdk (about 400 MB)."
  if [ ! -d "$prefix/emsdk" ]; then
    rm -rf "$prefix/emsdk.part"
    git -c advice.detachedHead=false clone -q --depth 1 --branch "$version" https://github.com/emscripten-core/emsdk "$prefix/emsdk.part" || return 1
    mv "$prefix/emsdk.part" "$prefix/emsdk"
  fi
  "$prefix/emsdk/emsdk" install "$version" && "$prefix/emsdk/emsdk" activate "$version" >/dev/null || return 1
  ln -sfn "$prefix/emsdk/upstream/emscripten" "$prefix/emscripten"
}

debian_will_do() {
  on_debian && [ "$(dpkg --print-architecture)" = amd64 ] || return 1
  # Debian 12 is the first that has clang 19.
  case $(cat /etc/debian_version) in [0-9].* | 1[01].*) return 1 ;; esac
}

debian_emscripten() {
  need clang-19 lld-19 llvm-19 patchelf xz
  local root=$prefix/debian name deb sysroot tools libs file
  mkdir -p "$root" "$root/sysroot"
  say "Emscripten $version: downloading Debian's packages (about 240 MB, once)."
  for name in emscripten binaryen node-acorn libc6 libstdc++6 libgcc-s1; do fetch_deb "$name" >/dev/null; done

  say "Emscripten $version: unpacking."
  # Left out: tests, and the prebuilt libraries for GL, threads, workers and sanitizers, which nothing here links.
  dpkg-deb --fsys-tarfile "$(fetch_deb emscripten)" | tar -x -C "$root" --exclude='./usr/share/emscripten/test/*' \
    --exclude='*/libGL.a' --exclude='*/libGL-[!g]*' --exclude='*-mt*.a' --exclude='*-ww*.a' --exclude='*asan*.a' --exclude='*/docs/*'
  for name in binaryen node-acorn; do dpkg-deb -x "$(fetch_deb "$name")" "$root"; done
  # binaryen's tools want a newer C library than Debian 12 has: they get their own beside them.
  for name in libc6 libstdc++6 libgcc-s1; do
    deb=$(fetch_deb "$name")
    dpkg-deb -x "$deb" "$root/sysroot"
  done
  sysroot=$root/sysroot/usr/lib/x86_64-linux-gnu libs=$root/usr/lib/x86_64-linux-gnu
  for file in "$root"/usr/bin/wasm-* "$root/usr/bin/wasm2js"; do
    patchelf --set-interpreter "$sysroot/ld-linux-x86-64.so.2" --set-rpath "$libs:$sysroot" "$file"
  done
  patchelf --set-rpath "$sysroot" "$libs/libbinaryen.so"

  tools=$root/usr/share/emscripten
  # acorn and nothing else: the @types that lie beside it in Debian's folder break --emit-tsd.
  rm -rf "$tools/node_modules"
  mkdir -p "$tools/node_modules"
  cp -rL "$root/usr/share/nodejs/acorn" "$tools/node_modules/acorn"
  cat >"$tools/.emscripten" <<CONF
LLVM_ROOT = '/usr/lib/llvm-19/bin'
BINARYEN_ROOT = '$root/usr'
NODE_JS = '$(command -v node)'
CACHE = '$tools/cache'
FROZEN_CACHE = False
CONF
  ln -sfn "$tools" "$prefix/emscripten"
}

emscripten() {
  if emcc_on_path || emsdk; then
    :
  elif debian_will_do; then
    debian_emscripten # not within the condition: there a failing command would not end the script
  else
    fail "this machine is not supported: it has no emcc $version, no way to the open internet, and is not a Debian 12 or later on amd64."
  fi
  "$prefix/emscripten/emcc" --version 2>/dev/null | head -n 1 | grep -qF " $version " || fail "the installed emcc is not $version."
}
