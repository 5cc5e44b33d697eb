def fleet(command: str, status: int = 0) -> str:
    """Runs a command in the client's flake; its output, messages included."""
    got, output = client.execute(f"cd /root/fleet && {command} 2>&1")
    assert got == status, f"{command}: exit code {got} instead of {status}: {output}"
    return output


def change(name: str) -> str:
    """Gives target another configuration; its path."""
    fleet(f"cp changes/{name}.nix change.nix")
    return client.succeed("cd /root/fleet && nix build --no-link --print-out-paths .#target").strip()


def runs_and_boots(system: str) -> None:
    for link in ["/run/current-system", "/nix/var/nix/profiles/system"]:
        found = target.succeed(f"readlink -f {link}").strip()
        assert found == system, f"{link} is {found} instead of {system}"


start_all()
client.wait_for_unit("multi-user.target")
target.wait_for_unit("multi-user.target")
client.succeed(
    "install -d -m 700 /root/.ssh",
    "install -m 600 /etc/admin-key /root/.ssh/id_ed25519",
    "cp -rL --no-preserve=mode /etc/fleet /root/fleet",
)
fleet("git init --quiet && git add --all && nix flake lock && git add --all")

with subtest("a host that spinet did not bring up is pinned by hand"):
    key = target.succeed("cut -d ' ' -f 1,2 /etc/ssh/ssh_host_ed25519_key.pub").strip()
    assert key in client.succeed("cd /root/fleet && nix run .#spinet -- host scan target")
    fleet(f"nix run .#spinet -- host enroll target --key '{key}' --yes")
    fleet("git add --all")

with subtest("a good change is confirmed and stays"):
    good = change("good")
    fleet("nix run .#deploy -- target")
    runs_and_boots(good)
    assert target.succeed("cat /etc/change") == "good"
    assert "unchanged" in fleet("nix run .#deploy -- target")

with subtest("a change that locks everybody out is undone by the host"):
    deaf = change("deaf")
    assert deaf != good
    fleet("nix run .#deploy -- target", status=4)
    runs_and_boots(good)
    client.wait_for_open_port(22, "target", timeout=30)

with subtest("a power cut in the middle of an activation: the confirmed system boots"):
    change("slow")
    client.succeed(
        "cd /root/fleet && (nix run .#deploy -- target >/root/slow.log 2>&1;"
        " echo $? >/root/slow.status) >/dev/null 2>&1 &"
    )
    target.wait_for_file("/run/slow", timeout=300)
    target.crash()
    target.start()
    target.wait_for_unit("multi-user.target")
    runs_and_boots(good)
    booted = target.succeed("readlink -f /run/booted-system").strip()
    assert booted == good, f"booted {booted} instead of {good}"
    client.wait_for_file("/root/slow.status", timeout=300)
    assert client.succeed("cat /root/slow.status") == "4\n", client.succeed("cat /root/slow.log")

with subtest("and takes the next change"):
    change("good")
    assert "unchanged" in fleet("nix run .#deploy -- target")
