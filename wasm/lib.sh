# What the set-up's parts share: messages, pins, downloads. Sourced by setup.sh, which sets
# `cache` (shared by all clones), `prefix` (this toolchain's folder inside it) and `pins`.

started=$(date +%s)
say()  { printf '[set-up %3ss] %s\n' "$(($(date +%s) - started))" "$*"; }
fail() { printf 'set-up: %s\n' "$*" >&2; exit 1; }

# Runs a command whose output matters only when it fails.
quietly() {
  local log=$cache/set-up.log
  if ! "$@" >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    fail "this failed, with the lines above: $*"
  fi
}

jobs() { getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2; }

# pin KIND NAME FIELD: a field (3 version, 4 sha256, 5 file, 6 url) of a line in wasm/pins.
pin() { awk -v kind="$1" -v name="$2" -v field="$3" '$1 == kind && $2 == name { print $field }' "$pins"; }

matches() { [ -f "$1" ] && echo "$2  $1" | sha256sum --check --quiet - >/dev/null 2>&1; }

# Is the open internet there? Asked once, and never for longer than a few seconds.
internet() {
  if [ -z "${internet_:-}" ]; then
    internet_=no
    if command -v curl >/dev/null; then
      curl -fsSI -m 6 -o /dev/null https://github.com 2>/dev/null && internet_=yes
    elif GIT_TERMINAL_PROMPT=0 timeout 8 git ls-remote -q --exit-code https://github.com/emscripten-core/emsdk HEAD >/dev/null 2>&1; then
      internet_=yes
    fi
  fi
  [ "$internet_" = yes ]
}

# download URL FILE
download() {
  if command -v curl >/dev/null; then
    curl -fsSL -m 600 -o "$2.part" "$1" || return 1
  else
    node -e 'fetch(process.argv[1]).then(async r => {
      if (!r.ok) throw r.status;
      require("fs").writeFileSync(process.argv[2], Buffer.from(await r.arrayBuffer()));
    }).catch(() => process.exit(1))' "$1" "$2.part" || return 1
  fi
  mv "$2.part" "$2"
}

on_debian() { [ -f /etc/debian_version ] && command -v apt-get >/dev/null && [ -f /usr/share/keyrings/debian-archive-keyring.gpg ]; }

# from_suite SUITE COMMAND…: apt-get against another Debian suite, in a state of its own, so that the system's package
# lists stay as they are. The archive's address is the one this machine already uses; apt checks signatures.
from_suite() {
  local suite=$1 state=$cache/apt-$1 uri key=/usr/share/keyrings/debian-archive-keyring.gpg
  shift
  case " ${suites_:-} " in
    *" $suite "*) ;;
    *)
      uri=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(CREATED_BY) $(SIGNED_BY)' |
        awk '$3 == "Packages" && $2 !~ /security|updates|backports/ && $2 ~ /^(bookworm|trixie|forky|sid|stable|testing|unstable|oldstable)$/ { print $1; exit }')
      [ -n "$uri" ] || fail "apt knows no Debian archive on this machine."
      mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/none"
      : >"$state/status"
      printf '%s [signed-by=%s] %s %s main\n' deb "$key" "$uri" "$suite" deb-src "$key" "$uri" "$suite" >"$state/sources.list"
      cat >"$state/apt.conf" <<CONF
Dir::Etc::sourcelist "$state/sources.list";
Dir::Etc::sourceparts "$state/none";
Dir::Etc::preferences "$state/none/preferences";
Dir::Etc::preferencesparts "$state/none";
Dir::State::lists "$state/lists";
Dir::State::status "$state/status";
Dir::Cache "$state/cache";
APT::Sandbox::User "$(id -un)";
CONF
      APT_CONFIG=$state/apt.conf apt-get -qq update >"$cache/set-up.log" 2>&1 || return 1
      suites_="${suites_:-} $suite"
      ;;
  esac
  (cd "$cache/downloads" && APT_CONFIG=$state/apt.conf apt-get -qq "$@") >"$cache/set-up.log" 2>&1
}

# fetch_source NAME: the pinned archive, from upstream or from a Debian source package; prints its path.
fetch_source() {
  local name=$1 sha file url at suite
  sha=$(pin source "$name" 4) file=$(pin source "$name" 5) url=$(pin source "$name" 6)
  at=$cache/downloads/$file
  matches "$at" "$sha" && { echo "$at"; return; }
  rm -f "$at"
  if [ "$url" != - ] && internet && download "$url" "$at"; then
    matches "$at" "$sha" && { echo "$at"; return; }
    rm -f "$at"
  fi
  if on_debian; then
    for suite in trixie forky sid; do
      from_suite "$suite" source --download-only --tar-only "${file%%_*}" || continue
      matches "$at" "$sha" && { echo "$at"; return; }
    done
  fi
  return 1
}

# fetch_deb NAME: the pinned Debian package; prints its path.
fetch_deb() {
  local name=$1 version sha at
  version=$(pin deb "$name" 3) sha=$(pin deb "$name" 4)
  if [ "$sha" = signed ]; then
    at=$(find "$cache/downloads" -name "${name}_*_amd64.deb" | sort | tail -n 1)
    [ -n "$at" ] && { echo "$at"; return; }
    from_suite trixie download "$name" || fail "Debian's package $name could not be downloaded."
    find "$cache/downloads" -name "${name}_*_amd64.deb" | sort | tail -n 1
    return
  fi
  at=$(find "$cache/downloads" -name "${name}_*.deb" | head -n 1)
  matches "${at:-none}" "$sha" && { echo "$at"; return; }
  rm -f "$cache/downloads/${name}"_*.deb
  from_suite trixie download "$name=$version" || fail "Debian's package $name $version could not be downloaded."
  at=$(find "$cache/downloads" -name "${name}_*.deb" | head -n 1)
  matches "${at:-none}" "$sha" || fail "Debian's package $name $version is not the one pinned in wasm/pins."
  echo "$at"
}
