#!/usr/bin/env bash
# A real S3 server for tests: one Ceph monitor, one OSD in memory and radosgw, on loopback only.
#   radosgw.sh start DIR PORT MON_PORT OWNER   starts it in the empty directory DIR; it ends by itself when the process OWNER is gone
#   radosgw.sh stop DIR                        ends it and removes DIR
# Installs nothing: needs radosgw, ceph-osd, ceph-mon and curl (Debian: radosgw ceph-osd ceph-mon curl).
set -euo pipefail
command=${1:?} dir=${2:?}
access_key=stowageaccess secret_key=stowagesecretkey0123456789
conf=$dir/ceph.conf

# Only what was started for this directory: process ids are used again.
ours() { [[ -f $dir/$1.pid ]] && tr '\0' ' ' < "/proc/$(< "$dir/$1.pid")/cmdline" 2> /dev/null | grep -qF -- "-c $conf"; }

stop() {
  [[ -f $dir/.stowage-radosgw ]] || return 0
  local each
  for each in rgw osd mon; do ! ours $each || kill "$(< "$dir/$each.pid")" 2> /dev/null || true; done
  for each in rgw osd mon; do
    for _ in $(seq 30); do ours $each || break; sleep .1; done
    ! ours $each || kill -9 "$(< "$dir/$each.pid")" 2> /dev/null || true
  done
  rm -rf "$dir"
}

launch() { # NAME COMMAND…
  local name=$1; shift
  setsid "$@" > "$dir/log/$name.out" 2>&1 < /dev/null &
  echo $! > "$dir/$name.pid"
}

configure() { # PORT MON_PORT FSID
  cat > "$conf" << CONF
[global]
fsid = $3
mon host = [v1:127.0.0.1:$2]
ms bind msgr2 = false
public network = 127.0.0.0/8
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
mon allow pool size one = true
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
mon max pg per osd = 1000
osd crush chooseleaf type = 0
run dir = $dir/run
admin socket = $dir/run/\$cluster-\$name.asok
log file = $dir/log/\$name.log
log to file = true
mon data = $dir/mon
osd data = $dir/osd
keyring = $dir/keyring
setuser match path =
mon data avail crit = 1
mon data avail warn = 2
debug ms = 0
[osd]
osd objectstore = memstore
memstore device bytes = ${STOWAGE_RADOSGW_BYTES:-4294967296}
osd class default list = *
osd class load list = *
osd crush update on start = false
# Without this the OSD sometimes exits at boot: "wrong fsid", a race with the monitor's map.
osd class update on start = false
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:$1
rgw data = $dir/rgw
rgw dns name = localhost
rgw thread pool size = 32
rgw enable usage log = false
rgw run sync thread = false
CONF
}

start_osd() {
  local uuid
  uuid=$(< /proc/sys/kernel/random/uuid)
  ceph -c "$conf" osd new "$uuid" > /dev/null 2>&1
  ceph-osd -i 0 --mkfs --osd-uuid "$uuid" -c "$conf" > "$dir/log/osd.mkfs" 2>&1
  ceph -c "$conf" osd crush add osd.0 1.0 host=localhost root=default > /dev/null 2>&1
  launch osd ceph-osd -f -i 0 -c "$conf"
  for _ in $(seq 60); do
    ! ceph -c "$conf" osd stat 2> /dev/null | grep -q '1 up' || return 0
    ours osd || launch osd ceph-osd -f -i 0 -c "$conf"
    sleep .1
  done
  echo 'the OSD did not come up' >&2
  return 1
}

start() { # PORT MON_PORT OWNER
  local fsid
  fsid=$(< /proc/sys/kernel/random/uuid)
  mkdir -p "$dir"/{mon,osd,log,run,rgw}
  touch "$dir/.stowage-radosgw"
  # A session of its own: who ends the tests with all their processes does not end this one.
  setsid "$0" watch "$dir" "$3" > /dev/null 2>&1 < /dev/null &
  configure "$1" "$2" "$fsid"
  export CEPH_CONF=$conf
  ceph-authtool --create-keyring "$dir/keyring" --gen-key -n mon. --cap mon 'allow *' > /dev/null 2>&1
  ceph-authtool "$dir/keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *' > /dev/null
  monmaptool --create --clobber --addv a "[v1:127.0.0.1:$2]" --fsid "$fsid" "$dir/monmap" > /dev/null
  ceph-mon --mkfs -i a --monmap "$dir/monmap" --keyring "$dir/keyring" -c "$conf"
  launch mon ceph-mon -f -i a -c "$conf" --public-addr "127.0.0.1:$2"
  for _ in $(seq 100); do timeout 5 ceph -c "$conf" --connect-timeout 2 -s > /dev/null 2>&1 && break; sleep .1; done
  start_osd
  launch rgw radosgw -f -n client.rgw -c "$conf"
  for _ in $(seq 300); do
    ! curl -sf -o /dev/null "http://127.0.0.1:$1/" || break
    ours rgw || { tail -n 20 "$dir/log/rgw.out" >&2; return 1; }
    sleep .1
  done
  curl -sf -o /dev/null "http://127.0.0.1:$1/"
  radosgw-admin -c "$conf" user create --uid=stowage --display-name=stowage \
    --access-key="$access_key" --secret-key="$secret_key" > /dev/null 2> "$dir/log/user.err"
}

case $command in
  start) start "${3:?}" "${4:?}" "${5:?}" ;;
  stop) stop ;;
  watch) # OWNER
    while kill -0 "${3:?}" 2> /dev/null; do sleep 1; done
    stop
    ;;
  *) echo "usage: $0 start DIR PORT MON_PORT OWNER | stop DIR" >&2; exit 64 ;;
esac
