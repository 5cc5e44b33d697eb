# Packages that are links to tools of the tree they run in (a Debian tree in the rehearsal): name = its programs.
# A program in /usr/sbin is written with its folder.
{
  acl = "getfacl setfacl";
  age = "age age-keygen";
  avahi = "sbin/avahi-daemon avahi-browse avahi-resolve";
  bashInteractive = "bash sh";
  bash = "bash sh";
  bzip2 = "bzip2 bunzip2 bzcat";
  cpio = "cpio";
  curl = "curl";
  diffutils = "cmp diff";
  dosfstools = "sbin/mkfs.vfat sbin/fsck.vfat";
  e2fsprogs = ''
    sbin/e2fsck sbin/mke2fs sbin/debugfs sbin/dumpe2fs sbin/resize2fs sbin/tune2fs chattr
    lsattr sbin/mkfs.ext4 sbin/badblocks
  '';
  findutils = "find xargs";
  gawk = "awk gawk";
  getent = "getent";
  git = "git";
  gnugrep = "grep egrep fgrep";
  gnused = "sed";
  gnutar = "tar";
  gzip = "gzip gunzip zcat";
  hostname = "hostname";
  htop = "htop";
  inetutils = "hostname ping";
  iproute2 = "ip ss";
  iw = "sbin/iw";
  iwd = "iwctl iwmon";
  jq = "jq";
  kmod = "sbin/modprobe sbin/lsmod sbin/insmod sbin/rmmod";
  less = "less";
  mkpasswd = "mkpasswd";
  mtools = "mcopy mdir mlabel";
  ncurses = "tput clear";
  nix = ''
    nix nix-build nix-channel nix-collect-garbage nix-copy-closure nix-daemon nix-env nix-hash
    nix-instantiate nix-shell nix-store
  '';
  nixfmt = "nixfmt";
  openssh = "ssh scp sftp ssh-add ssh-agent ssh-keygen ssh-keyscan sbin/sshd";
  procps = "ps free pgrep pkill sysctl top uptime w kill";
  shadow = "su passwd chage sbin/useradd sbin/usermod sbin/userdel sbin/groupadd sbin/chpasswd";
  shellcheck = "shellcheck";
  sudo = "sudo";
  systemd = ''
    systemctl journalctl systemd-run systemd-cat systemd-analyze loginctl networkctl
    hostnamectl timedatectl systemd-tmpfiles systemd-notify systemd-escape systemd-cgls
    systemd-detect-virt sbin/reboot sbin/poweroff sbin/shutdown sbin/halt udevadm busctl
  '';
  util-linux = ''
    mount umount findmnt lsblk flock setsid nsenter unshare dmesg logger mountpoint kill
    sbin/sfdisk sbin/fdisk sbin/blkid sbin/losetup sbin/partx sbin/blockdev sbin/fsfreeze fallocate
    uuidgen hexdump taskset more rev script
  '';
  which = "which";
  wirelesstools = "";
  wpa_supplicant = "sbin/wpa_supplicant sbin/wpa_cli wpa_passphrase";
  xz = "xz unxz xzcat";
  zstd = "zstd unzstd zstdcat";

  coreutils = ''
    [ b2sum base32 base64 basename basenc cat chcon chgrp chmod chown cksum comm cp csplit cut
    date dd df dir dircolors dirname du echo env expand expr factor false fmt fold groups head
    hostid id install join link ln logname ls md5sum mkdir mkfifo mknod mktemp mv nice nl
    nohup nproc numfmt od paste pathchk pinky pr printenv printf ptx pwd readlink realpath rm
    rmdir runcon seq sha1sum sha224sum sha256sum sha384sum sha512sum shred shuf sleep sort
    split stat stdbuf stty sum sync tac tail tee test timeout touch tr true truncate tsort tty
    uname unexpand uniq unlink users vdir wc who whoami yes sbin/chroot
  '';

  # Of the development shell only: whatever the developer's machine has is used.
  cargo = "";
  cargo-nextest = "";
  clippy = "";
  rust-analyzer = "";
  rustc = "";
  rustfmt = "";
  deadnix = "";
  nixd = "";
  qemu = "";
  statix = "";
  pkg-config = "";

  # Files no test looks into.
  linux-firmware = "";
  raspberrypifw = "";
  ubootQemuAarch64 = "";
  dnsmasq = "";
  raspberrypiWirelessFirmware = "";
  wireless-regdb = "";
  glibcLocales = "";
  tzdata = "";
}
