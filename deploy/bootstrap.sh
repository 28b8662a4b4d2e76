#!/usr/bin/env bash
# Installs what building, testing and running need on Debian 12; nothing when all of it is there.
#
#   deploy/bootstrap.sh [further-package...]
#
# Idempotent and quick: one dpkg-query, and apt only for what is missing. Needs root or sudo then.
# Asks nothing. This list is the only place that names packages.
set -euo pipefail

packages=(
  # compiler and build
  g++ cmake ninja-build ccache mold pkg-config
  # libraries of the service
  libabsl-dev libboost1.81-dev libcli11-dev libsimdjson-dev libsqlite3-dev libssl-dev
  libpq-dev libpqxx-dev libtomlplusplus-dev nlohmann-json3-dev zlib1g-dev
  # tests and benchmarks
  catch2 libbenchmark-dev postgresql-15 python3-minimal sqlite3
  # keys of the demo, HTTPS, the control port of the simulated venue by hand
  ca-certificates curl openssl
  "$@"
)

# The interoperability tests run real clients on node; a node that is there already, from wherever,
# stays.
node_major=$(node --version 2>/dev/null | sed -n 's/^v\([0-9]*\).*/\1/p' || true)
if [ "${node_major:-0}" -lt 18 ]; then packages+=(nodejs); fi
if ! command -v npm >/dev/null 2>&1; then packages+=(npm); fi

installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null |
  sed -n 's/^installed //p' || true)
missing=()
for package in "${packages[@]}"; do
  grep -qxF -- "$package" <<<"$installed" || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi

echo "bootstrap: installing ${#missing[@]} packages: ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null 2>&1; then
    echo "bootstrap: run as root or install sudo; missing: ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo -n)
  # Without a terminal there is nobody to type a password; with one, let sudo ask.
  if [ -t 0 ]; then as_root=(sudo); fi
fi
export DEBIAN_FRONTEND=noninteractive
# Installing the PostgreSQL server would also start one for everybody; the tests start their own.
no_server=/etc/postgresql-common/createcluster.d/holdfast-bootstrap.conf
"${as_root[@]}" mkdir -p "${no_server%/*}"
echo 'create_main_cluster = false' | "${as_root[@]}" tee "$no_server" >/dev/null
trap '"${as_root[@]}" rm -f "$no_server"' EXIT
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq </dev/null
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
  "${missing[@]}" </dev/null
