#!/bin/sh
# Takes the place of Anaconda's own hook, which would fetch install.img, updates.img and product.img and check nothing.
# Sourced by dracut for each interface that comes online. Exactly the pinned image is mounted, or the machine stops.
if [ -e /dev/root ]; then
	return 0
fi
command -v anaconda_mount_sysroot >/dev/null || . /lib/anaconda-lib.sh
anode_image=/tmp/anode-install.img
# When the medium verified this pack: a clock that stands still does not make certificates wrong.
anode_now=$(sed -n 's/.*"activated_at": *"\([0-9TZ:-]*\)".*/\1/p' /provisioning-selection.json /tmp/provisioning-selection.json 2>/dev/null)
anode_now=${anode_now%%[!0-9TZ:-]*}
/anode/anode-fetch blob --url https://dl.fedoraproject.org/pub/fedora/linux/releases/43/Everything/x86_64/os/images/install.img ${anode_now:+--now "$anode_now"} \
	--sha256 5555555555555555555555555555555555555555555555555555555555555555 --length 500000000 --out "$anode_image"
anode_status=$?
case $anode_status in
0)
	anaconda_mount_sysroot "$anode_image"
	# Other hooks of Anaconda ask whether this was done, and by which interface.
	echo "$1" >>/tmp/anaconda_netroot.done
	;;
# Not reached: another interface may come online.
30) warn "the installer's image can not be fetched by $1 yet" ;;
*) die "the installer's image is not the pinned one, or can not be fetched (exit code $anode_status)" ;;
esac
