#!/bin/sh
# Sourced by dracut before the installer's second stage takes over: of the initramfs, only /run survives.
anode_from=/anode
anode_to=/run/anode
anode_root=${NEWROOT:-/sysroot}

mkdir -p "$anode_to"
chmod 0700 "$anode_to"
for anode_file in "$anode_from"/*; do
	case $anode_file in
	*/anode-fetch) ;;
	*) [ ! -e "$anode_file" ] || cp -R "$anode_file" "$anode_to/" ;;
	esac
done
for anode_file in /provisioning-selection.json /tmp/provisioning-selection.json; do
	if [ -f "$anode_file" ]; then
		cp "$anode_file" "$anode_to/provisioning-selection.json"
	fi
done

# The installer's own accounts have empty passwords, and its SSH server takes them, also before a kickstart could set others.
for anode_file in "$anode_root/etc/passwd" "$anode_root/etc/shadow"; do
	if [ -f "$anode_file" ]; then
		sed -i 's/^\([^:]*\)::/\1:*:/' "$anode_file"
	fi
done
# Whom the profile lets in while it installs.
if [ -f "$anode_from/debug_keys" ]; then
	mkdir -p "$anode_root/root/.ssh"
	cp "$anode_from/debug_keys" "$anode_root/root/.ssh/authorized_keys"
	chmod 0700 "$anode_root/root/.ssh"
	chmod 0600 "$anode_root/root/.ssh/authorized_keys"
fi
