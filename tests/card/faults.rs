//! A writing that goes wrong: stopped, killed, out of room, or onto a card that does not keep what it is given.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::rig::{
    Loop, Memory, assert_failed, boots, dirty, find, holds, image, messages, with_a_worn_cell,
    write, write_command,
};

/// Starts a writing in a process group of its own.
fn start(image: &Path, card: &Path) -> Child {
    write_command(image, card).process_group(0).spawn().unwrap()
}

fn signal(child: &Child, signal: &str, whole_group: bool) {
    let id = if whole_group {
        -i64::from(child.id())
    } else {
        i64::from(child.id())
    };
    let sent = Command::new("kill")
        .args([signal, "--", &id.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// Waits until the first bytes of the image's content are on the card: the writing is under way.
fn wait_for_content(card: &Path, fill: u8) {
    let end = Instant::now() + Duration::from_secs(60);
    while Instant::now() < end {
        if find(card, fill).is_some() {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("nothing was written");
}

/// Whether all processes of a group end.
fn is_gone(group: u32) -> bool {
    let end = Instant::now() + Duration::from_secs(20);
    while Instant::now() < end {
        let any = Command::new("pgrep")
            .args(["-g", &group.to_string()])
            .output()
            .unwrap();
        if any.stdout.is_empty() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

#[test]
fn killed_at_any_moment_a_reflashed_card_boots_the_new_system_or_nothing() {
    let dir = TempDir::new().unwrap();
    let (Some(old), Some(new)) = (
        image(dir.path(), "old.img", 60, 1),
        image(dir.path(), "new.img", 60, 2),
    ) else {
        return;
    };
    let card = dir.path().join("card.img");
    let kills: u32 = std::env::var("SPINET_KILLS").map_or(50, |n| n.parse().unwrap());
    let begin = Instant::now();
    assert!(write(&new, &card).status.success());
    let (whole, mut seed) = (begin.elapsed(), 1_u64);
    let (mut cut, mut done) = (0, 0);
    for round in 0..kills {
        fs::copy(&old, &card).unwrap();
        let mut child = start(&new, &card);
        // splitmix64: instants over the whole run and a little beyond, the same ones each time
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (seed ^ seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        std::thread::sleep(whole * u32::try_from(mixed >> 56).unwrap() / 230);
        // the whole group: the process with rights as well
        signal(&child, "-KILL", true);
        child.wait().unwrap();
        if boots(&card) {
            let (old, new) = (holds(&card, 1), holds(&card, 2));
            assert!(
                old || new,
                "round {round}: the card boots something half-written"
            );
            done += u32::from(new);
        } else {
            cut += 1;
        }
    }
    println!("{cut} cut, {done} whole");
    assert!(cut > 0, "no run was cut in the middle");
}

#[test]
fn an_interrupt_and_a_termination_stop_with_a_message() {
    let dir = TempDir::new().unwrap();
    let Some(image) = image(dir.path(), "new.img", 240, 2) else {
        return;
    };
    let card = dir.path().join("card.img");
    // an interrupt typed at a terminal reaches all processes, a termination only the one it is sent to
    for (name, whole_group) in [("-INT", true), ("-TERM", false)] {
        dirty(&card, 240);
        let child = start(&image, &card);
        wait_for_content(&card, 2);
        signal(&child, name, whole_group);
        let group = child.id();
        let output = child.wait_with_output().unwrap();
        assert_failed(&output, "Stopped. The card");
        assert!(
            messages(&output).contains("does not boot now"),
            "{}",
            messages(&output)
        );
        assert!(is_gone(group), "a process is left behind");
        assert!(!boots(&card));
    }
}

#[test]
fn without_its_parent_the_process_with_rights_stops() {
    let dir = TempDir::new().unwrap();
    let Some(image) = image(dir.path(), "new.img", 240, 2) else {
        return;
    };
    let card = dir.path().join("card.img");
    dirty(&card, 240);
    let mut child = start(&image, &card);
    wait_for_content(&card, 2);
    signal(&child, "-KILL", false);
    child.wait().unwrap();
    assert!(is_gone(child.id()), "the process with rights goes on");
    assert!(!boots(&card));
}

#[test]
fn a_second_copy_is_kept_out_and_the_first_goes_on() {
    let dir = TempDir::new().unwrap();
    let Some(image) = image(dir.path(), "new.img", 480, 2) else {
        return;
    };
    let card = dir.path().join("card.img");
    dirty(&card, 480);
    let first = start(&image, &card);
    wait_for_content(&card, 2);
    let held = Command::new("flock")
        .args(["-n".as_ref(), card.as_os_str(), "true".as_ref()])
        .status();
    assert!(!held.unwrap().success(), "the card is not locked");
    let second = start(&image, &card);
    let first = first.wait_with_output().unwrap();
    let second = second.wait_with_output().unwrap();
    assert!(first.status.success(), "{}", messages(&first));
    // it waits a moment: udev may hold a card that was just put in
    if !second.status.success() {
        assert_failed(&second, "is being written already");
    }
    assert!(boots(&card) && holds(&card, 2));
}

#[test]
fn a_bit_that_flips_on_the_card_is_found() {
    let dir = TempDir::new().unwrap();
    let Some(image) = image(dir.path(), "new.img", 240, 7) else {
        return;
    };
    let backing = dir.path().join("card");
    dirty(&backing, 240);
    let Some(device) = Loop::new(&backing) else {
        return;
    };
    let place = find(&image, 7).unwrap();
    let output = with_a_worn_cell(&backing, place + 100, 7, || write(&image, &device.0));
    assert_failed(
        &output,
        &format!("in the 4096 bytes from byte {place} differs"),
    );
    assert!(
        messages(&output).contains("use another one"),
        "{}",
        messages(&output)
    );
    assert!(!boots(&backing));
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing_that_boots() {
    let dir = TempDir::new().unwrap();
    let Some(image) = image(dir.path(), "new.img", 60, 3) else {
        return;
    };
    let Some(small) = Memory::new(&dir.path().join("small"), "10m") else {
        return;
    };
    let card = small.0.join("card.img");
    assert_failed(&write(&image, &card), "no room for it");
    assert!(!boots(&card));

    // the same below a device: what a card that fails in the middle looks like
    let backing = small.0.join("backing");
    fs::remove_file(&card).unwrap();
    File::create(&backing).unwrap().set_len(60 << 20).unwrap();
    let Some(device) = Loop::new(&backing) else {
        return;
    };
    let output = write(&image, &device.0);
    assert_failed(&output, "could not be");
    assert!(
        messages(&output).contains("does not boot now"),
        "{}",
        messages(&output)
    );
    assert!(!boots(&backing));
}

#[test]
fn a_limit_on_file_sizes_is_an_error_like_any_other() {
    let dir = TempDir::new().unwrap();
    let Some(image) = image(dir.path(), "new.img", 60, 3) else {
        return;
    };
    let card = dir.path().join("card.img");
    dirty(&card, 60);
    let mut limited = Command::new("bash");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 20480; exec \"$@\"", "bash"]);
    let command = write_command(&image, &card);
    limited.arg(command.get_program()).args(command.get_args());
    let output = limited.stdin(Stdio::null()).output().unwrap();
    assert_failed(&output, "could not be erased: File too large");
    assert!(!boots(&card));
}
