# "aarch64-linux" in the long form that configurations read.
{
  elaborate =
    platform:
    let
      system = platform.system or platform;
    in
    {
      inherit system;
      config = builtins.replaceStrings [ "-linux" ] [ "-unknown-linux-gnu" ] system;
      isLinux = true;
      isDarwin = false;
      isAarch64 = system == "aarch64-linux";
      isx86_64 = system == "x86_64-linux";
      linuxArch = if system == "aarch64-linux" then "arm64" else "x86_64";
      qemuArch = builtins.head (builtins.split "-" system);
      canExecute = other: other.system == system;
      __toString = _: system;
    };
}
