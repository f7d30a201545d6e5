# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A cluster of deploy/cluster for a test; sourced after lib.sh. Nodes are
# numbered from 0, by port; the first ones begin as primaries, each with a third
# of the slots.
: "${tmp:?lib.sh goes first}"

nodes=$tmp/nodes
# cluster_start [options of deploy/cluster]: also starts nodes that are down
cluster_start() {
    local port
    STINT_URL=$("$here/../../deploy/cluster" start "${cluster_options[@]}" \
        "$@" "$nodes" 2>"$tmp/cluster.log") || fail "deploy/cluster start"
    for port in $(ports); do
        pids+=("$(cat "$nodes/$port/pid")")
    done
}
ports() {
    (cd "$nodes" && ls -d [0-9]*)
}
port_of() { # INDEX
    ports | sed -n "$(($1 + 1))p"
}
node() { # INDEX COMMAND...
    local port
    port=$(port_of "$1")
    shift
    redis-cli -p "$port" "$@" 2>/dev/null
}
node_pid() {
    cat "$nodes/$(port_of "$1")/pid"
}
slot_of() { # KEY
    node 0 CLUSTER KEYSLOT "$1"
}
# group_at INDEX: the first of g1, g2... whose slot the node has at first
group_at() {
    local i=1
    while [ $(($(slot_of "{stint:g$i}") * 3 / 16384)) -ne "$1" ]; do
        i=$((i + 1))
    done
    echo "g$i"
}
# slot_to SLOT FROM TO [PAUSE]: as redis-cli --cluster reshard does it, with a
# pause before the first key. Meanwhile all who want the group are refused.
slot_to() {
    local i key id=()
    for i in 0 1 2; do
        id+=("$(node "$i" CLUSTER MYID)")
    done
    node "$3" CLUSTER SETSLOT "$1" IMPORTING "${id[$2]}" >/dev/null
    node "$2" CLUSTER SETSLOT "$1" MIGRATING "${id[$3]}" >/dev/null
    sleep "${4:-0.1}"
    for key in $(node "$2" CLUSTER GETKEYSINSLOT "$1" 1000); do
        node "$2" MIGRATE 127.0.0.1 "$(port_of "$3")" "$key" 0 5000 >/dev/null
        sleep 0.02
    done
    node "$3" CLUSTER SETSLOT "$1" NODE "${id[$3]}" >/dev/null
    for i in 0 1 2; do
        node "$i" CLUSTER SETSLOT "$1" NODE "${id[$3]}" >/dev/null
    done
}
