#!/usr/bin/env bash
# Builds the image of kind's nodes from Debian packages and Go modules, for machines where no registry answers. It leaves an image
# that is up to date alone; what it downloads and compiles is kept in .cache/kind.
#
#   build.sh           builds seatrial-node:<version of Kubernetes>
#   build.sh name      tells that name
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=$(cd "$here/../../.." && pwd)/.cache/kind
readonly here cache programs=$cache/programs base=$cache/debian.tar
readonly suite=bookworm
readonly packages=systemd,systemd-sysv,containerd,runc,iptables,iproute2,conntrack,kmod,procps,mount,util-linux
# An image says by this label what it was built from.
readonly label=seatrial.node.sources
# The container that unpacks the images, and what it is made from.
readonly unpacker=seatrial-unpacker

main() {
  require
  local sources version
  sources=$(sources)
  version=$(version)
  if [[ $(docker image inspect --format "{{index .Config.Labels \"$label\"}}" "$(name)" 2>/dev/null) == "$sources" ]]; then
    say "$(name) is up to date"
    return
  fi
  mkdir -p "$cache"
  work=$(mktemp -d "$cache/build.XXXXXX")
  trap clean_up EXIT
  trap 'exit 130' INT TERM
  build_programs
  download_debian
  make_root "$work/root"
  make_images "$work/root"
  preload "$work/root"
  say "building $(name)"
  # What was built before would stay without a name.
  docker image rm "$(name)" >/dev/null 2>&1 || true
  build_image "$work/root" "$(name)" "$sources"
}

say() { echo "kind-image: $*" >&2; }

fail() {
  say "$@"
  exit 1
}

clean_up() {
  docker rm --force --volumes $unpacker >/dev/null 2>&1 || true
  docker image rm --force $unpacker >/dev/null 2>&1 || true
  rm -rf "$work"
}

require() {
  command -v docker >/dev/null || fail "no docker on this machine: install Docker, which distributions package"
  docker version >/dev/null 2>&1 || fail "no Docker engine answers: start yours, or as root run fleet/kind/engine/engine.sh start"
  command -v go >/dev/null || fail "no go on this machine: install Go"
  command -v debootstrap >/dev/null || fail "no debootstrap on this machine: install it (on Debian: apt-get install debootstrap)"
  [[ $(id -u) == 0 ]] || fail "making a root file system needs root: run it with sudo"
}

version() { (cd "$here/parts" && go list -m -f '{{.Version}}' k8s.io/kubernetes); }
name() { echo "seatrial-node:$(version)"; }
sources() { (cd "$here" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c 1-32); }

build_programs() {
  say "compiling the programs (minutes the first time)"
  local package=k8s.io/component-base/version major minor
  IFS=. read -r major minor _ <<<"${version#v}"
  (cd "$here/parts" && CGO_ENABLED=0 GOWORK=off GOFLAGS=-buildvcs=false go build -trimpath -o "$programs/" -ldflags "-s -w \
    -X $package.gitVersion=$version -X $package.gitMajor=$major -X $package.gitMinor=$minor -X $package.gitTreeState=clean" \
    tool ./coredns ./pause)
  # The package of etcd is named after its major version, and so the program after the folder above.
  ln -f "$programs/server" "$programs/etcd"
}

download_debian() {
  if [[ -f $base ]]; then
    return
  fi
  say "downloading Debian's packages"
  local mirror=()
  if command -v apt-get >/dev/null; then
    mapfile -t mirror < <(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep --invert-match security | head -n 1)
  fi
  debootstrap --variant=minbase --include="$packages" $suite "$work/debian" "${mirror[@]}" >"$work/debootstrap.log" ||
    { tail -n 20 "$work/debootstrap.log" >&2 && fail "debootstrap failed"; }
  rm -rf "$work"/debian/{usr/share/{doc,man,locale,info,lintian},var/{cache/apt,lib/apt/lists,log}}/*
  tar -C "$work/debian" --numeric-owner -cf "$base.part" .
  mv "$base.part" "$base"
  rm -rf "$work/debian"
}

make_root() {
  local root=$1 units=$1/etc/systemd/system
  mkdir -p "$root"
  tar -C "$root" --numeric-owner -xf "$base"
  mkdir -p "$root"/{kind/manifests,opt/cni/bin,etc/containerd,etc/kubernetes/manifests,etc/systemd/journald.conf.d,var/lib/containerd,lib/modules}
  install -m 755 "$programs"/{kubelet,kubeadm,kubectl,crictl} "$root/usr/bin/"
  install -m 755 "$programs"/{host-local,loopback,ptp,portmap} "$root/opt/cni/bin/"
  install -m 755 "$here"/node/{boot,close-network,pod-network} "$root/kind/"
  install -m 644 "$here/node/resolv.conf" "$root/kind/"
  install -m 644 "$here"/node/default-{cni,storage}.yaml "$root/kind/manifests/"
  sed "s|@PAUSE@|$(images | grep /pause:)|" "$here/node/containerd.toml" >"$root/etc/containerd/config.toml"
  echo 'runtime-endpoint: unix:///run/containerd/containerd.sock' >"$root/etc/crictl.yaml"
  printf '[Journal]\nReadKMsg=no\nStorage=volatile\nRuntimeMaxUse=64M\n' >"$root/etc/systemd/journald.conf.d/node.conf"
  echo -n "$version" >"$root/kind/version"
  : >"$root/etc/machine-id"
  : >"$root/etc/fstab"

  # Of Debian's units remain those that a container can use: the others set kernel-wide things up or wait for devices.
  rm -f "$units"/*.wants/*
  local unit
  for unit in systemd-{sysctl,binfmt,modules-load,logind,remount-fs,udevd,udev-trigger,update-utmp,firstboot,hwdb-update,sysusers}.service \
    proc-sys-fs-binfmt_misc.automount sys-kernel-{debug,tracing,config}.mount sys-fs-fuse-connections.mount dev-{hugepages,mqueue}.mount \
    getty.target console-getty.service modprobe@.service; do
    ln -sf /dev/null "$units/$unit"
  done
  mkdir -p "$units/multi-user.target.wants"
  install -m 644 "$here"/node/*.{service,path} "$units/"
  for unit in kubelet.service announce.service volumes.path; do
    ln -s "/etc/systemd/system/$unit" "$units/multi-user.target.wants/"
  done
  ln -s /lib/systemd/system/containerd.service "$units/multi-user.target.wants/"
  ln -sf /lib/systemd/system/multi-user.target "$units/default.target"
}

# The images that kubeadm runs a control plane from, one per line.
images() { "$programs/kubeadm" config images list --kubernetes-version "$version" 2>/dev/null; }

# An image holds one static program, and kube-proxy's also what it calls.
make_images() {
  local root=$1 image program
  while read -r image; do
    program=${image##*/}
    program=${program%%:*}
    say "making $program's image"
    mkdir -p "$work/image"/{usr/local/bin,tmp}
    chmod 1777 "$work/image/tmp"
    install -m 755 "$programs/$program" "$work/image/usr/local/bin/"
    if [[ $program == kube-proxy ]]; then
      add_packet_filter "$root" "$work/image"
    fi
    tar -C "$work/image" --numeric-owner -c . | docker import --change "ENTRYPOINT [\"/usr/local/bin/$program\"]" \
      --change 'ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - "$image" >/dev/null
    rm -rf "$work/image"
  done < <(images)
}

# iptables loads its extensions at run time, and those want libraries that iptables itself does not.
add_packet_filter() {
  local from=$1 to=$2 extensions file
  extensions=$(cd "$from" && echo usr/lib/*/xtables)
  mkdir -p "$to/usr/sbin" "$to/usr/lib" "$to/usr/lib64" "$to/${extensions%/*}" "$to/run"
  ln -s usr/lib "$to/lib"
  ln -s usr/lib64 "$to/lib64"
  ln -s usr/sbin "$to/sbin"
  cp -a "$from/$extensions" "$to/$extensions"
  install -m 755 "$from"/usr/sbin/{xtables-nft-multi,conntrack} "$to/usr/sbin/"
  for file in ip{,6}tables{,-save,-restore}; do
    ln -s xtables-nft-multi "$to/usr/sbin/$file"
  done
  local libraries
  mapfile -t libraries < <(chroot "$from" sh -c "ldd /usr/sbin/xtables-nft-multi /usr/sbin/conntrack /$extensions/*.so" 2>/dev/null |
    grep -o '/lib[^ :]*' | grep --invert-match /xtables/ | sort -u)
  chroot "$from" tar --dereference -c "${libraries[@]#/}" | tar -C "$to" -x
}

# A containerd like that of the nodes unpacks the images, in a volume since overlays do not stack. Layers are not needed any more
# then, and every byte below /var is copied for each new cluster.
preload() {
  local root=$1
  say "unpacking the images for the nodes"
  docker rm --force --volumes $unpacker >/dev/null 2>&1 || true
  build_image "$root" $unpacker
  docker run --detach --name $unpacker --privileged --network none --volume /var/lib/containerd --tmpfs /run \
    --stop-signal SIGTERM --entrypoint /usr/bin/containerd $unpacker >/dev/null
  local attempt
  for attempt in $(seq 50); do
    if docker exec $unpacker ctr version >/dev/null 2>&1; then
      break
    fi
    sleep 0.2
  done
  # shellcheck disable=SC2046 # one word per image is what is meant
  docker save $(images) | docker exec --interactive $unpacker ctr --namespace k8s.io images import --snapshotter overlayfs - >/dev/null
  docker exec --interactive $unpacker bash -euo pipefail <<'INSIDE'
  ctr="ctr --namespace k8s.io"
  for image in $($ctr images list --quiet); do
    $ctr images label "$image" io.cri-containerd.pinned=pinned >/dev/null
  done
  cd /var/lib/containerd/io.containerd.content.v1.content/blobs/sha256
  for layer in $(find . -type f -size +100k -printf '%f\n'); do
    $ctr content rm "sha256:$layer" >/dev/null
    rm -f "$layer"
  done
INSIDE
  # shellcheck disable=SC2046
  docker image rm $(images) >/dev/null
  docker stop $unpacker >/dev/null
  docker cp "$unpacker:/var/lib/containerd/." - | tar -C "$root/var/lib/containerd" --numeric-owner -x
}

# The image of a node, with the root file system as its only layer.
build_image() {
  local root=$1 image=$2 context=$work/context
  mkdir "$context"
  tar -C "$root" --numeric-owner -cf "$context/root.tar" .
  cat >"$context/Dockerfile" <<DOCKERFILE
FROM scratch
ADD root.tar /
LABEL $label=${3:-none}
ENV container=docker PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
STOPSIGNAL SIGRTMIN+3
ENTRYPOINT ["/kind/boot", "/sbin/init"]
DOCKERFILE
  docker build --quiet --tag "$image" "$context" >/dev/null
  rm -rf "$context"
}

case ${1:-build} in
  build) main ;;
  name) name ;;
  *) fail "usage: build.sh [name]" ;;
esac
