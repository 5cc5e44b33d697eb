# pkgs.testers. There is no QEMU here: a test is looked at, and nothing of it runs.
{ lib, final }:
let
  isModule = module: lib.isFunctionLike module || builtins.isAttrs module || builtins.isPath module;
  isTest =
    test: test ? nodes && test ? testScript && lib.all isModule (builtins.attrValues test.nodes);
in
{
  runNixOSTest =
    { name, ... }@test:
    if !isTest test then
      throw "The test ${name} needs `testScript`, and `nodes` that are modules."
    else
      final.runCommand "vm-test-not-run-${name}"
        {
          inherit (test) testScript;
          passAsFile = [ "testScript" ];
        }
        ''
          /usr/bin/python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())' "$testScriptPath"
          echo "${name}: the script can be parsed. Its machines were not started: this is the stand-in nixpkgs." | tee $out
        '';
}
