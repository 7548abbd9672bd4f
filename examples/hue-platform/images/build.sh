#!/bin/sh
# Builds the platform's images in the local Docker Engine, from the machine's static busybox: nothing is pulled.
set -eu
cd "$(dirname "$0")"
if [ ! -x /bin/busybox ] || ! /bin/busybox --list >/dev/null 2>&1; then
  echo "build.sh: /bin/busybox is needed (on Debian: apt-get install busybox-static)" >&2
  exit 1
fi
# The base is made once for this script and this busybox: otherwise each run would leave all images of the one before without a name.
made_of=$(cat build.sh /bin/busybox | sha256sum | cut -d' ' -f1)
base() {
  root=$(mktemp -d)
  trap 'rm -rf "$root"' EXIT
  mkdir -p "$root/bin" "$root/etc" "$root/tmp" "$root/usr/local/bin" "$root/var/run" "$root/www"
  cp /bin/busybox "$root/bin/busybox"
  for applet in $(/bin/busybox --list); do [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"; done
  chmod 1777 "$root/tmp"
  echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"
  echo 'nobody:x:65534:65534:nobody:/tmp:/bin/sh' >>"$root/etc/passwd"
  echo 'root:x:0:' >"$root/etc/group"
  tar -C "$root" -c . | docker import --change 'CMD ["sh"]' --change 'ENV PATH=/usr/local/bin:/bin' --change "LABEL made-of=$made_of" - hue-platform/base >/dev/null
}
[ "$(docker image inspect -f '{{index .Config.Labels "made-of"}}' hue-platform/base 2>/dev/null)" = "$made_of" ] || base
build() { # folder, image, further arguments
  folder=$1 image=$2
  shift 2
  docker build -q -t "$image" "$@" "$folder" 2>/dev/null >/dev/null
  echo "$image"
}
build learn g1g1/hue-learn:0.3 --build-arg VERSION=0.3
build learn g1g1/hue-learn:0.4 --build-arg VERSION=0.4
build reminders g1g1/hue-reminders:3.0
build store g1g1/hue-store:1.0
build music g1g1/hue-music
build collect-proxy g1g1/hue-collect-proxy:1.0
build front g1g1/hue-front:1.0
build tool g1g1/py-kube:0.3
