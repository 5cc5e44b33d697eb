# What a real board boots: a folder with root/ (the tree that packages are links into), kernel and initrd. None here,
# where hosts are containers on this machine's kernel; tests/pi/rehearsal puts a file with its own in the place of this.
null
