import base64
import json
import re
import shlex

PASSPHRASE = "correct-horse-battery"
BOOTSTRAP = "nix run .#bootstrap -- bach --wifi Home --wifi-country DE --yes"


def alice(command: str, status: int = 0) -> str:
    """Runs a command in alice's flake; its output, messages included."""
    in_flake = f"cd fleet && {command}"
    got, output = client.execute(f"runuser -l alice -c {shlex.quote(in_flake)} 2>&1")
    assert got == status, f"{command}: exit code {got} instead of {status}: {output}"
    return output


def blank(disk: str) -> None:
    client.succeed(f"cmp --bytes=16777216 {disk} /dev/zero")


client.start()
client.wait_for_unit("multi-user.target")
client.succeed(
    "install -d -o alice -g users -m 700 /home/alice/.ssh",
    "install -o alice -g users -m 600 /etc/admin-key /home/alice/.ssh/id_ed25519",
    "ssh-keygen -y -f /etc/admin-key >/home/alice/.ssh/id_ed25519.pub",
    "install -d -m 700 /var/lib/iwd",
    "umask 077; printf '[Security]\\nPassphrase=%s\\n' "
    f"{shlex.quote(PASSPHRASE)} >/var/lib/iwd/Home.psk",
    "runuser -l alice -c 'cp -rL --no-preserve=mode /etc/fleet fleet'",
)
alice("git init --quiet && git add --all && nix flake lock && git add --all")

with subtest("a disk of the running system is refused, whatever is allowed"):
    output = alice(f"{BOOTSTRAP} --card /dev/vda --allow-fixed-disk", status=1)
    assert "It is in use" in output, output

with subtest("a disk that is no card takes a flag"):
    output = alice(f"{BOOTSTRAP} --card /dev/vdb", status=1)
    assert "--allow-fixed-disk" in output, output
    blank("/dev/vdb")

with subtest("the card is written and verified"):
    bootstrap = f"cd fleet && {BOOTSTRAP} --card /dev/vdb --allow-fixed-disk --timeout 900"
    log_file = "/home/alice/bootstrap.log"
    run = f"{bootstrap} >{log_file} 2>&1; echo $? >/home/alice/bootstrap.status"
    client.succeed(f"runuser -l alice -c {shlex.quote(run)} >/dev/null 2>&1 &")
    client.wait_until_succeeds(
        f"grep -q 'written and verified' {log_file} || test -e /home/alice/bootstrap.status"
    )
    log_so_far = client.succeed(f"cat {log_file}")
    assert "written and verified" in log_so_far, log_so_far

partitions = json.loads(client.succeed("sfdisk --json /dev/vdb"))["partitiontable"]["partitions"]
root = f"'/dev/vdb?offset={partitions[1]['start'] * 512}'"


def on_card(path: str) -> str:
    return client.succeed(f"debugfs -R 'cat {path}' {root} 2>/dev/null")


with subtest("it is whole, and holds what is bach's alone"):
    client.succeed(f"e2fsck -fn {root}")
    assert on_card("/etc/hostname") == "bach\n"
    assert f"Passphrase={PASSPHRASE}\n" in on_card("/var/lib/iwd/Home.psk")
    assert on_card("/var/lib/spinet/wifi-country") == "DE\n"
    host_key = on_card("/etc/ssh/ssh_host_ed25519_key")
    assert host_key.startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    for path in ["/etc/ssh/ssh_host_ed25519_key", "/var/lib/iwd/Home.psk"]:
        client.succeed(f"debugfs -R 'stat {path}' {root} 2>/dev/null | grep -q 'Mode:  0600'")
    booted = re.search(r"APPEND init=(\S+)/init ", on_card("/boot/extlinux/extlinux.conf"))
    assert booted is not None, "the card boots nothing"
    # as hosts/release.nix has it
    assert on_card(f"{booted[1]}/nixos-version") == "test"

with subtest("nobody but bach is enrolled, and bach is"):
    # until it has the card's key, bach is a stranger that answers under the name
    bach.start()
    bach.wait_for_unit("sshd.service")
    bach.wait_for_unit("avahi-daemon.service")
    client.sleep(10)
    client.fail("test -e /home/alice/bootstrap.status")
    client.fail("grep -q '^bach' /home/alice/fleet/hosts/known_hosts")
    encoded = base64.b64encode(host_key.encode()).decode()
    bach.succeed(
        f"echo {encoded} | base64 -d >/etc/ssh/ssh_host_ed25519_key",
        "ssh-keygen -y -f /etc/ssh/ssh_host_ed25519_key >/etc/ssh/ssh_host_ed25519_key.pub",
        "systemctl restart sshd.service",
    )
    client.wait_for_file("/home/alice/bootstrap.status", timeout=300)
    log_at_end = client.succeed(f"cat {log_file}")
    assert client.succeed("cat /home/alice/bootstrap.status") == "0\n", log_at_end
    public_key = bach.succeed("cut -d ' ' -f 2 /etc/ssh/ssh_host_ed25519_key.pub").strip()
    for file in ["hosts/known_hosts", "secrets/secrets.nix"]:
        client.succeed(f"grep -qF {public_key} /home/alice/fleet/{file}")

with subtest("the secret made on the way opens with the card's key"):
    client.succeed(
        f"umask 077; echo {encoded} | base64 -d >/root/bach-key",
        "age -d -i /root/bach-key /home/alice/fleet/secrets/wifi-home.age"
        f" | grep -qxF {shlex.quote('Passphrase=' + PASSPHRASE)}",
    )
    alice("nix run .#secrets -- check")
