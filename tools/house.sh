# Shared by run, test, bench and images/make: packages, engine, build. Sourced, never run.
# Everything is bash and curl, so that a bare Debian needs no other interpreter for it.

house_start=${house_start:-$EPOCHREALTIME}
house_root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")

# One progress line on stderr with the seconds since the start: stdout belongs to the results.
say() {
  local now=$EPOCHREALTIME
  local ms=$(( (${now/[.,]/} - ${house_start/[.,]/}) / 1000 ))
  printf '[%4d.%d s] %s\n' $((ms / 1000)) $((ms % 1000 / 100)) "$*" >&2
}

die() {
  say "$*"
  exit 1
}

# Runs a command as root: directly, or through sudo with our own variables carried along.
as_root() {
  if [ "$EUID" = 0 ]; then
    "$@"
    return
  fi
  command -v sudo >/dev/null || die "this step needs root: run it as root, or install sudo"
  local name keep=()
  for name in $(compgen -e); do
    case $name in TILTYARD_* | DOCKER_HOST | http_proxy | https_proxy | no_proxy) keep+=("$name=${!name}") ;; esac
  done
  sudo env "${keep[@]}" "$@"
}

# --- packages ---------------------------------------------------------------------------------

# The Debian packages of a group, for the release we are on.
packages_of() {
  local release=12 boost=1.81 docker=docker.io
  [ -r /etc/os-release ] && release=$(. /etc/os-release && echo "${VERSION_ID:-12}")
  if [ "${release%%.*}" -ge 13 ] 2>/dev/null; then
    boost=1.83
    docker="docker.io docker-cli"
  fi
  case $1 in
    build)
      echo clang-19 lld-19 cmake ninja-build ccache pkgconf libboost$boost-dev libboost-json$boost-dev \
        libboost-url$boost-dev libfmt-dev libspdlog-dev libsoci-dev libsqlite3-dev libpq-dev \
        libtomlplusplus-dev libyaml-cpp-dev libcli11-dev libsodium-dev libutf8proc-dev libc-ares-dev libidn2-dev libre2-dev libarchive-dev libssl-dev \
        prometheus-cpp-dev zlib1g-dev libhiredis-dev libcurl4-openssl-dev libpcap-dev libabsl-dev libgrpc++-dev libprotobuf-dev \
        protobuf-compiler protobuf-compiler-grpc ;;
    run) echo curl ca-certificates nftables iproute2 busybox-static mmdebstrap tzdata ;;
    # The engine finds its iptables by itself; git and the like are only recommended.
    engine) echo $docker iptables ;;
    unit) echo libgtest-dev libgmock-dev librapidcheck-dev redis-server postgresql ;;
    e2e) echo ncat haproxy testssl.sh python3 python3-pytest python3-hypothesis python3-grpcio python3-protobuf python3-aiosmtpd python3-socketio python3-websocket python3-requests openssh-client openssl redis-server postgresql docker-registry runsc nginx-light caddy docker-compose btrfs-progs python3-yaml tshark pebble pdns-server pdns-backend-sqlite3 bind9-dnsutils sqlite3 ;;
    lint) echo git python3 python3-pytest python3-yaml clang-format-19 ;;
    tidy) echo git python3 clang-tidy-19 ;;
    web) echo chromium ;;
    node) echo nodejs ;;
    npm) echo npm ;;
    sanitizers) echo libclang-rt-19-dev llvm-19 ;;
    bench) echo python3 tshark websockify nginx-light libnginx-mod-stream haproxy wrk docker-compose redis-server postgresql ;;
    *) die "no package group named $1" ;;
  esac
}

# Installs what is missing of the named groups, and asks dpkg only once when nothing is.
need_packages() {
  local group wanted=() missing=() log
  for group in "$@"; do wanted+=($(packages_of "$group")); done
  local have
  have=" $(dpkg-query -W -f '${db:Status-Status}:${Package} ' "${wanted[@]}" 2>/dev/null || true)"
  for group in "${wanted[@]}"; do
    case $have in *" installed:$group "*) ;; *) missing+=("$group") ;; esac
  done
  [ ${#missing[@]} = 0 ] && return
  command -v apt-get >/dev/null || die "missing: ${missing[*]}. Only Debian 12 and 13 are set up by themselves."
  say "installing ${#missing[@]} packages: ${missing[*]}"
  log=$(mktemp)
  if ! { as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q &&
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
      -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    die "apt-get failed; all of its output is in $log"
  fi
  rm -f "$log"
  # The tests start a DNS server of their own; the one that the package starts would take the host's port 53.
  case " ${missing[*]} " in
    *" pdns-server "*) ! [ -d /run/systemd/system ] || as_root systemctl disable -q --now pdns || true ;;
  esac
  say "packages are there"
}

# --- engine -----------------------------------------------------------------------------------

docker_socket() {
  case ${DOCKER_HOST:-} in
    '') echo /var/run/docker.sock ;;
    unix://*) echo "${DOCKER_HOST#unix://}" ;;
    *) echo '' ;;
  esac
}

# One call of the Engine API: engine_call METHOD PATH [curl arguments].
engine_call() {
  local method=$1 path=$2 socket
  shift 2
  socket=$(docker_socket)
  if [ -n "$socket" ]; then
    curl -sS --unix-socket "$socket" -X "$method" "$@" "http://engine/v1.41$path"
  else
    curl -sS -X "$method" "$@" "${DOCKER_HOST/#tcp:/http:}/v1.41$path"
  fi
}

engine_answers() { engine_call GET /_ping -m 5 >/dev/null 2>&1; }

# Makes sure that an engine answers. One that we start ourselves leaves its pid in DIR/dockerd.pid.
need_engine() {
  local dir=$1 pid i
  engine_answers && return
  [ -z "${DOCKER_HOST:-}" ] || die "no engine answers at DOCKER_HOST=$DOCKER_HOST"
  need_packages engine
  engine_answers && return
  if [ -d /run/systemd/system ]; then
    say "starting Docker (systemctl start docker)"
    as_root systemctl start docker
  else
    mkdir -p "$dir"
    say "starting dockerd; its log is $dir/dockerd.log"
    as_root bash -c 'rm -f /var/run/docker.pid; setsid dockerd >"$1/dockerd.log" 2>&1 </dev/null & echo $! >"$1/dockerd.pid"' _ "$dir"
    pid=$(cat "$dir/dockerd.pid")
  fi
  for ((i = 0; i < 300; i++)); do
    engine_answers && return
    if [ -n "${pid:-}" ] && ! [ -d "/proc/$pid" ]; then
      tail -n 15 "$dir/dockerd.log" >&2
      die "dockerd ended at once; its log is $dir/dockerd.log"
    fi
    sleep 0.1
  done
  die "no engine answered within 30 s"
}

# --- build ------------------------------------------------------------------------------------

# build_targets PRESET DIR TARGET...: quiet, a line every 15 s, failures in full.
build_targets() {
  local preset=$1 dir=$2 log status beat
  shift 2
  log=$dir/build.log
  mkdir -p "$dir"
  if ! [ -f "$dir/build.ninja" ]; then
    say "configuring ($preset)"
    cmake --preset "$preset" -S "$house_root" -B "$dir" >"$log" 2>&1 || { tail -n 40 "$log" >&2; die "cmake failed"; }
  fi
  NINJA_STATUS='%f of %t, ' ninja -C "$dir" "$@" >"$log" 2>&1 &
  local ninja=$!
  ( trap 'kill "$nap" 2>/dev/null; exit' TERM
    while :; do
      sleep 15 & nap=$!
      wait "$nap"
      say "building ($preset): $(grep -o '^[0-9]* of [0-9]*' "$log" | tail -n 1)"
    done ) &
  beat=$!
  trap 'kill "$ninja" "$beat" 2>/dev/null' EXIT
  status=0
  wait "$ninja" || status=$?
  kill "$beat" 2>/dev/null || true
  wait "$beat" 2>/dev/null || true
  trap - EXIT
  if [ "$status" != 0 ]; then
    grep -v '^[0-9]* of [0-9]*, \(Building\|Linking\)' "$log" | head -n 120 >&2
    die "the build failed; all of its output is in $log"
  fi
  if ! grep -q 'no work to do' "$log"; then say "built ($preset)"; fi
}
