#!/usr/bin/env bash
# Makes every package twice, installs each in an empty place and uses it there. `make check-packages` on Debian, as root.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$1

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
say() { printf '\n== %s\n' "$*"; }

tools=(debootstrap docker-compose fish lintian man-db mandoc python3-venv redis-tools systemd zsh)
dpkg -s "${tools[@]}" >/dev/null 2>&1 || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${tools[@]}" >/dev/null
}

# serves COMMAND...: starts a server in the environment of the caller and waits until it answers `omniproxy ping`.
serves() {
    "$@" >"$work/log" 2>&1 &
    server=$!
    for _ in {1..300}; do
        [ "$("$binary" ping 2>/dev/null)" != PONG ] || return 0
        sleep 0.1
    done
    cat "$work/log" >&2
    return 1
}

# ends: the server ends with exit code 0 when it is asked to.
ends() {
    kill "$server"
    wait "$server"
    server=
}

say "two runs make the same bytes"
go run ./packaging -version "$version" -out "$work/dist" release wheel deb
go run ./packaging -version "$version" -out "$work/again" release wheel deb >/dev/null
diff -r "$work/dist" "$work/again"

say "the archive"
(cd "$work/dist" && sha256sum --quiet -c SHA256SUMS)
tar -xzf "$work"/dist/omniproxy_*_linux_"$(go env GOARCH)".tar.gz -C "$work"
archive=$(echo "$work"/omniproxy_*_linux_*)
binary=$archive/omniproxy
if ldd "$binary" >/dev/null 2>&1; then echo "$binary is not static" >&2 && exit 1; fi
"$binary" version | tee /dev/stderr | grep -F "omniproxy $version ("
export OMNIPROXY_LISTEN=127.0.0.1:16380
serves "$binary" --dir "$work/data"
redis-cli -p 16380 SET omni:config:greeting '"hello"'
ends
grep greeting "$work/data/config.json"

say "completions and manual"
bash -n "$archive/completions/omniproxy.bash"
zsh -n "$archive/completions/_omniproxy"
[ "$(fish -c "source $archive/completions/omniproxy.fish; complete -C 'omniproxy --fsync=al'" | cut -f1)" = --fsync=always ]
[ -z "$(mandoc -T lint -W warning "$archive/omniproxy.1" | grep -v 'missing date')" ]
[ -z "$(man --warnings -E UTF-8 -l "$archive/omniproxy.1" 2>&1 >/dev/null)" ]

say "the wheel"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-index --find-links "$work/dist" omniproxy
"$work/venv/bin/pip" check
"$work/venv/bin/pip" show --files omniproxy
"$work/venv/bin/omniproxy" version | grep -F "omniproxy $version ("
"$work/venv/bin/python" -m omniproxy version | grep -F "omniproxy $version ("
"$work/venv/bin/pip" uninstall --quiet --yes omniproxy
[ ! -e "$work/venv/bin/omniproxy" ]

say "the Debian package"
deb=$(echo "$work"/dist/omniproxy_*_"$(dpkg --print-architecture)".deb)
lintian --no-cfg --fail-on error,warning --allow-root "$deb"
debootstrap --variant=minbase --include=adduser,init-system-helpers bookworm "$work/root" >/dev/null
cp "$deb" "$work/root/omniproxy.deb"
chroot "$work/root" dpkg -i /omniproxy.deb
stat -c '%U:%G %a %n' "$work/root/etc/default/omniproxy"
chroot "$work/root" stat -c '%U:%G %a %n' /var/lib/omniproxy
binary=$work/root/usr/bin/omniproxy
# The command line of the unit, with its environment, as its user.
command=$(sed -n 's/^ExecStart=//p' "$work/root/usr/lib/systemd/system/omniproxy.service")
OMNIPROXY_DIR=/var/lib/omniproxy serves chroot --userspec=omniproxy:omniproxy "$work/root" $command
redis-cli -p 16380 SET omni:config:greeting '"hello"'
ends
chroot "$work/root" stat -c '%U:%G %a %n' /var/lib/omniproxy/config.json
sed "s#/usr/bin/omniproxy#$binary#; s/man:omniproxy(1) //" "$work/root/usr/lib/systemd/system/omniproxy.service" >"$work/omniproxy.service"
cp "$work/root/usr/lib/systemd/system/omniproxy.socket" "$work"
systemd-analyze verify "$work/omniproxy.service" "$work/omniproxy.socket"
systemd-analyze --root="$work/root" --offline=yes --threshold=20 security omniproxy.service | tail -n 1
chroot "$work/root" dpkg -P omniproxy
[ ! -e "$binary" ] && [ ! -e "$work/root/etc/default/omniproxy" ] && [ -e "$work/root/var/lib/omniproxy/config.json" ]
rm -rf "$work/root"

say "the image and the compose file"
# The image's environment, program and health check, in a prefix.
binary=$archive/omniproxy
mapfile -t environment < <(sed -n 's/^ENV PATH=[^ ]* //p' packaging/docker/Dockerfile | tr ' ' '\n')
mkdir "$work/image-data"
export "${environment[@]}" OMNIPROXY_LISTEN=:16380 OMNIPROXY_DIR="$work/image-data" OMNIPROXY_REQUIREPASS=omnidaemon
serves "$binary" serve
(OMNIPROXY_REQUIREPASS='' "$binary" ping 2>&1 || true) | grep NOAUTH
ends
cat >"$work/docker-compose.yml" <<'YAML'
version: '3.8'
services:
  redis: {image: "redis:7-alpine", ports: ["6378:6379"], volumes: ["redis_data:/data"], command: redis-server --appendonly yes}
  omnidaemon: {image: omnidaemon, environment: ["REDIS_URL=redis://redis:6379/0"]}
  redis-commander: {image: redis-commander}
volumes: {redis_data: {}}
YAML
cp packaging/docker/compose.yaml "$work"
(cd "$work" && docker-compose -f docker-compose.yml -f compose.yaml config)
say "all is well"
