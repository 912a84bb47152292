#!/bin/sh
# Takes the place of Anaconda's own hook, which would load drivers as root from any disk with the label OEMDRV.
