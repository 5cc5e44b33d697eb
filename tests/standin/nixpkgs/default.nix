# Same calling convention as nixpkgs: `import nixpkgs { system = ..; overlays = [ .. ]; }`.
{
  system ? builtins.currentSystem,
  overlays ? [ ],
  ...
}:
import ./pkgs { inherit system overlays; }
