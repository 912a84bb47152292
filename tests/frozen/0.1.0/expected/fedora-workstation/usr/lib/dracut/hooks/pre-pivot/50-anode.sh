#!/bin/sh
# Sourced by dracut before the installer's second stage takes over: of the initramfs, only /run survives.
mkdir -p /run/anode
if [ -d /anode ]; then
	cp -R /anode/. /run/anode/
fi
for selection in /provisioning-selection.json /tmp/provisioning-selection.json; do
	if [ -f "$selection" ]; then
		cp "$selection" /run/anode/provisioning-selection.json
	fi
done
